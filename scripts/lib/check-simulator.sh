# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Suite of scripts/check: guests whose requests a simulator answers. It uses check's test_that,
# page_has, guest and build_selftests.
# shellcheck disable=SC2154 # variables of scripts/check

readonly simulator_kills=100

# The end of what a guest runs with the folder $1: on the host, what was told is checked then.
# shellcheck disable=SC2016 # the guest expands it
readonly until_checked='status=$?
	touch "$1/finished"
	for i in $(seq 100); do [ -e "$1/checked" ] || sleep 0.1; done
	exit $status'

# Has a guest work while the simulator $2... is killed, which the back-end meets with the
# options $1; both may have the socket $place/socket. The back-end itself answers what takes
# long. Whatever becomes of the guest, the other side ends with it.
simulator_killed() {
	local options=$1 killer status=0
	shift
	"$top/tools/virtio/sst/tests/kill_simulator.py" "$place" "$simulator_kills" 1 "$@" &
	killer=$!
	# shellcheck disable=SC2016 # the guest expands it
	guest --kasan --module-args request_timeout=100000 --backend "--queues 2 --forward-all \
--on-disconnect queue --stats $place/stats --answer 101=after:20 $options" -- \
		sh -c 'touch "$1/begun"
			"$0/ledger" -r 1 -p 6 -d 16 -n 1000000 -o -m -a -e \
				-w "while [ ! -e $1/enough ]; do sleep 0.1; done"
			'"$until_checked" "$work/selftests" "$place" || status=$?
	[ "$status" = 0 ] || kill "$killer"
	wait "$killer" && [ "$status" = 0 ]
}

in_c() {
	cc -Wall -Wextra -Werror -O2 -I "$top/include/uapi" -o "$place/simulator" \
		"$top/tools/virtio/sst/examples/simulator.c" &&
		simulator_killed "--connect unix:$place/socket" "$place/simulator" unix "$place/socket" 1000 0
}

in_python() {
	simulator_killed "--listen unix:$place/socket" /usr/bin/python3 \
		"$top/tools/virtio/sst/examples/simulator.py" --latency 1 \
		--connect "unix:$place/socket" --connections 2
}

# Has a guest run a program of the tests, $3..., with the simulator $2, a list of words, which
# the back-end meets with the options $1.
with_simulator() {
	local simulator status=0
	# shellcheck disable=SC2086 # a list of words
	"$top/tools/virtio/sst/"$2 &
	simulator=$!
	guest --kasan --backend "--on-disconnect queue $1" -- \
		/usr/bin/python3 -B "$top/tools/virtio/sst/tests/$3" "${@:4}" || status=$?
	kill "$simulator"
	return "$status"
}

# Has several programs use a simulator, with the options $2, that somebody has written who had
# only the text of the protocol, and the back-end with the options $1.
independent() {
	with_simulator "--queues 2 $1" "tests/independent_simulator.py $2" several_programs.py /dev/sst0 6 500 1
}

independent_in_order() {
	independent "--connect unix:$place/socket" "--listen unix:$place/socket"
}

# More than a third of the responses overtakes others, and so must be told apart.
independent_shuffled() {
	independent "--listen unix:$place/socket" \
		"--connect unix:$place/socket --connect unix:$place/socket --shuffle 1 --latency 2" \
		>"$place/output" && awk '/^[0-9]+ responses/ { seen = $3 > $1 / 3 } END { exit !seen }' "$place/output"
}

slow() {
	with_simulator "--connect unix:$place/slow" \
		"examples/simulator.py --listen unix:$place/slow --latency 1000" slow_simulator.py /dev/sst0
}

# Succeeds if the demonstration with the options $@ shows the answer of a simulator, and who has
# made it.
demonstrates() {
	"$top/scripts/demo" --simulator "$@" >"$place/demo" 2>"$place/demo.err" </dev/null ||
		{ cat "$place/demo.err" && return 1; }
	cat "$place/demo"
	grep -qx -- '--- the simulator: type 2, user_data [0-9]*: status 0, result 100000' "$place/demo" &&
		grep -qx 'Compute completed: 100000 cycles' "$place/demo"
}

# Has a guest use four devices, the simulators of which are in networks of their own, while one
# of these is cut off. All but the guest ends with this shell. Who listens in other networks
# cannot be seen, so the guest is not told by --socket. With two CPUs and several devices, some
# answer seconds late in User Mode Linux, also without a simulator.
one_is_cut_off() {
	local devices=4 i words=() networks leash status=0
	exec {leash}> >(as_root unshare --net --pid --fork --kill-child --mount-proc \
		/usr/bin/python3 -B "$top/tools/virtio/sst/tests/cut_simulator.py" \
		"$top/tools/virtio/sst/vhost-user-sst" "$place" "$devices" 2>&1)
	networks=$!
	await_file "$place/ready" || return
	for ((i = 0; i < devices; i++)); do
		words+=(--guest-option "virtio_uml.device=$place/socket-$i:4162")
	done
	# shellcheck disable=SC2016 # the guest expands it
	guest --kasan --cpus 1 "${words[@]}" -- sh -c '/usr/bin/python3 -B "$0" "$1" "$2"
		'"$until_checked" "$top/tools/virtio/sst/tests/watch_cut.py" "$place" "$devices" {leash}>&- || status=$?
	[ "$status" = 0 ] || exec {leash}>&-
	wait "$networks" && [ "$status" = 0 ]
}

unread_is_cut_off() {
	as_root unshare --net --pid --fork --kill-child --mount-proc /usr/bin/python3 -B \
		"$top/tools/virtio/sst/tests/cut_unread.py" "$top/tools/virtio/sst/vhost-user-sst"
}

# Waits for the file $1 for a minute.
await_file() {
	local i
	for ((i = 0; i < 600; i++)); do
		[ ! -e "$1" ] || return 0
		sleep 0.1
	done
	echo "no $1"
	return 1
}

# Installs the service of systemd, which must be in order.
service_is_right() {
	make -s -C "$top/tools/virtio/sst" install PREFIX="$work/prefix" &&
		silent systemd-analyze verify --man=no "$service"
}

# Succeeds if systemd calls a service of that kind hardened: from 0 to 10, at most 1.5.
service_is_hardened() {
	systemd-analyze security --offline=true --threshold=15 "$service"
}

# Succeeds if the back-end does not take itself for a simulator: with one port for all
# connections, TCP connects it to itself.
no_connection_to_itself() {
	local log=$work/itself.log
	# shellcheck disable=SC2016 # the shell in another network expands it
	as_root unshare -n sh -c 'ip link set lo up
		echo 40000 40000 >/proc/sys/net/ipv4/ip_local_port_range
		exec timeout 2 "$0" --socket "$1" --connect tcp:127.0.0.1:40000' \
		"$top/tools/virtio/sst/vhost-user-sst" "$work/itself" >"$log" 2>&1 || [ $? = 124 ]
	cat "$log"
	grep -q 'Connection refused' "$log" && ! grep -q 'connected' "$log"
}

suite_simulator() {
	local name place service=$work/prefix/lib/systemd/system/vhost-user-sst@.service
	need_packages bash-completion iproute2 systemd
	build_selftests
	start_tap
	test_that "vhost-user-sst(1) has all options" page_has "$top/tools/virtio/sst/vhost-user-sst.1" \
		< <("$top/tools/virtio/sst/vhost-user-sst" --help | sed -n 's/^  \(--[a-z-]*\) .*/\1/p' | sort -u)
	test_that "bash completes all options" \
		"$top/tools/virtio/sst/tests/vhost_user_sst_completion.sh" "$top/tools/virtio/sst"
	test_that "the back-end does not connect to itself" no_connection_to_itself
	test_that "the service is in order" service_is_right
	test_that "the service may do little" service_is_hardened
	place=$work/independent
	mkdir "$place"
	test_that "a simulator that was written from the protocol's text" \
		"$top/tools/virtio/sst/tests/independent_simulator_test.py"
	test_that "the back-end and that simulator" independent_in_order
	test_that "the same, with answers in another order" independent_shuffled
	test_that "scripts/demo --simulator" demonstrates
	test_that "scripts/demo --qemu --simulator" demonstrates --qemu
	test_that "64 requests at a simulator that takes a second for each take a second" slow
	place=$work/cut
	mkdir "$place"
	test_that "one of four simulators, each in a network of its own, is cut off" one_is_cut_off
	test_that "a simulator that does not read is cut off" unread_is_cut_off
	for name in in_c in_python; do
		place=$work/simulator-$name
		mkdir "$place"
		test_that "a simulator ${name/_/ } that is killed $simulator_kills times under load" "$name"
	done
	end_tap
}
