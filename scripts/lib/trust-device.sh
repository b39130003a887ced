# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Attacks by the device: scripts/trust runs them.
# shellcheck disable=SC2154 # variables of scripts/trust

# shellcheck disable=SC2034 # scripts/trust's
share_hostile_device=3

# What the back-end of a guest has besides --hostile, in turn
readonly hostile_devices=(
	'--queues 2'
	'--queues 2 --features -indirect'
	'--features -event_idx,-indirect'
	'--queues 2 --response-queue alternate'
	'--queues 2 --latency 200,3000'
	'--features -event_idx'
	'--queues 2 --events 3,20'
	'--latency 0,500 --features -version_1'
)

# The guests, in turn, if there is the time for that many of them. Older kernels take a
# quarter of the time for a life.
readonly hostile_guests=(
	--kasan '--kernel 6.12 --kasan' --kasan '--kernel 6.1 --kasan'
	--kasan '--kernel 6.12 --kasan' --lockdep '--kernel 6.1 --kasan'
)

# Devices of a guest, each of which dies once
readonly hostile_deaths=4

# Runs programs on hostile devices for $1 seconds, in a guest with the options $2, from the
# seed $4. One device has the options $3, the others are there to die. The first life of each
# is a good one.
hostile_guest() {
	local backends=() i
	for ((i = 1; i < hostile_deaths; i++)); do
		backends+=(--backend "--hostile $(($4 * hostile_deaths + i)),8 --answer 126=die")
	done
	# shellcheck disable=SC2086 # lists of words
	guest $2 --timeout $((2 * $1 + 100)) --backend "--hostile $4,8 --answer 126=die $3" "${backends[@]}" -- \
		"$work/selftests/hostile" -t "$1" -r "$4" -d $hostile_deaths
}

# Prints the figures of the last guest's back-ends.
hostile_figures() {
	sed -n 's/^backend-[0-9]: vhost-user-sst: hostile: \([0-9]*\) \(.*\)/# figure: \2 \1/p' "$work/guest-$suite.log"
	awk '/^backend-[0-9]: vhost-user-sst: hostile: [0-9]+ (answers|wrong events)/ { n += $4 }
		END { print "# figure: hostile answers and events", n + 0 }' "$work/guest-$suite.log"
}

# A device that breaks all rules, for each of its lives others. What programs see of it is
# in hostile.c, what it does in vhost-user-sst(1).
attack_hostile-device() {
	local end=$((SECONDS + seconds)) round=0 time guest device
	build_selftests
	start_tap
	while :; do
		# A guest takes some time to start and to end.
		time=$((end - SECONDS - 15))
		[ "$time" -lt 300 ] || time=240
		[ "$time" -gt 5 ] || time=5
		guest=${hostile_guests[round % ${#hostile_guests[@]}]}
		device=${hostile_devices[(seed + round) % ${#hostile_devices[@]}]}
		test_that "seed $((seed + round)), guest $guest, device $device" \
			hostile_guest "$time" "$guest" "$device" $((seed + round))
		hostile_figures
		round=$((round + 1))
		[ $((end - SECONDS)) -gt 30 ] || break
	done
	end_tap
}
