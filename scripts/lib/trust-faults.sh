# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Attacks of scripts/trust: faults of the machine around the driver. The load is that of the
# selftests "lives" and "ledger", which say what must hold.
# shellcheck disable=SC2034,SC2154 # variables of scripts/trust

share_back_end_deaths=2 share_unplugs=2 share_soak=2
readonly faults=$top/scripts/lib/trust-life

# Prints the back-end's options for tests, in one line.
backend_options() {
	tr '\n' ' ' <"$selftests/backend-options"
}

# Runs the program "lives" for $3 seconds with a device that ends as trust-life does it
# in the way $1, each time one of what the figures call $2; the rest are options of the
# guest.
lives() {
	local how=$1 name=$2 time=$3
	shift 3
	"${in:-guest}" "$@" --timeout $((time + 180)) -- "$faults" first "$place" "$seed" \
		"$work/selftests/lives" -t "$time" -r "$seed" -f "$name" \
		-l "$faults $how $place $seed"
}

# Runs the program "lives" with back-ends that die all the time; $1 to $3 as for lives(),
# the rest are options of the back-ends.
die_often() {
	local how=$1 name=$2 time=$3 place=$place/$1
	shift 3
	mkdir "$place"
	lives "$how" "$name" "$time" --kasan \
		--beside "$top/scripts/lib/trust-deaths $place $seed --events 5 $* $(backend_options)"
}

attack_back-end-deaths() {
	need_packages uml-utilities
	build_selftests
	start_tap
	test_that "back-ends die, and the transport notices: seed $seed" \
		die_often death "back-end deaths" $((seconds / 2)) --backend-req
	test_that "back-ends die, and the transport does not notice: seed $seed" \
		die_often silence "back-end deaths unnoticed" $((seconds / 4))
	test_that "back-ends of QEMU die: seed $seed" \
		hotplug deserted "back-end deaths in QEMU" $((seconds / 4)) --kill
	end_tap
}

attack_unplugs() {
	need_packages uml-utilities
	build_selftests
	start_tap
	test_that "devices are taken off: seed $seed" \
		lives unplug "orderly removals" $((seconds / 3)) --kasan --backend "--events 5 $(backend_options)"
	test_that "devices break off: seed $seed" \
		die_often death "surprise removals" $((seconds / 3)) --backend-req
	test_that "QEMU unplugs devices: seed $seed" \
		hotplug hotplug "devices unplugged by QEMU" $((seconds / 3))
	end_tap
}

# Runs the program "lives" with a device that QEMU takes from a port of a PCI machine all the
# time; $1 to $3 as for lives(), $4 may be an option of trust-hotplug.
hotplug() {
	local place=$place/$1
	mkdir "$place"
	in=machine lives "$1" "$2" "$3" \
		--guest-option -device --guest-option pcie-root-port,id=hotplug-port,chassis=10 \
		--beside "$top/scripts/lib/trust-hotplug ${4-} $place $seed --events 5 $(backend_options)"
}

# Runs the program "lives" while trust-ordeal does what the words of $1 say, in a random
# order, for $2 seconds; the rest are options of the guest.
ordeal() {
	local what=$1 time=$2
	shift 2
	"${in:-guest}" "$@" --timeout $((time + 300)) --backend "--events 5 $(backend_options)" -- \
		"$work/selftests/lives" -r "$seed" -w "$top/scripts/lib/trust-ordeal $time $seed $what"
}

attack_life-cycle() {
	build_selftests
	start_tap
	test_that "unbound, reset, reloaded and changed in random order: seed $seed" \
		ordeal "rebind reset netlink_reset settings refuse_unload reload" "$seconds" --kasan
	end_tap
}

attack_suspends() {
	local machine
	build_selftests
	start_tap
	for machine in q35 microvm; do
		in=machine test_that "$machine, suspended, reset and unbound in random order: seed $seed" \
			ordeal "suspend suspend suspend suspend reset rebind" $((seconds / 2)) --machine "$machine"
	done
	end_tap
}

attack_soak() {
	build_selftests
	start_tap
	test_that "all interfaces, and memory: seed $seed" guest --kasan --timeout $((seconds + 300)) \
		--backend "--events 5 $(backend_options)" -- \
		"$work/selftests/lives" -r "$seed" -w "$top/scripts/lib/trust-soak $seconds $seed $work/selftests"
	end_tap
}

attack_memory-pressure() {
	build_selftests
	start_tap
	test_that "users are killed for memory, allocations fail: seed $seed" \
		guest --kasan --mem 128M --timeout $((seconds + 180)) --backend "--events 5 $(backend_options)" -- \
		"$top/scripts/lib/trust-pressure" "$seconds" "$seed" "$work/selftests"
	end_tap
}
