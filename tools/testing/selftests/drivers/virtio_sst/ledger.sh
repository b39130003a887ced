#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Loads of many kinds with a ledger: each request ends exactly once.
# SST_LEDGER_OPTIONS are options that all of them have.
set -u
cd "$(dirname "$0")" || exit 1
name=$(basename "${SST_DEVICE:-/dev/sst0}")
sysfs=/sys/class/virtio-sst/$name
attribute=$sysfs/request_timeout_ms
n=0
failed=0

# Prints the number of resets so far.
resets() {
	sed -n 's/^resets //p' "$sysfs/stats"
}

# Resets the device a number of times, each time when it is back.
reset_often() {
	before=$(resets)
	last=$((before + $1))
	while [ "$before" -lt "$last" ]; do
		echo 1 >"$sysfs/reset" || return
		while [ "$(resets)" -eq "$before" ]; do
			:
		done
		before=$((before + 1))
	done
}

# Suspends the machine a number of times, as far as its devices are concerned.
suspend_often() {
	echo devices >/sys/power/pm_test || return
	echo 0 >/sys/module/suspend/parameters/pm_test_delay || return
	before=$(resets)
	i=0
	while [ "$i" -lt "$1" ]; do
		echo freeze >/sys/power/state || return
		i=$((i + 1))
	done
	echo none >/sys/power/pm_test
	[ "$(resets)" -eq $((before + $1)) ]
}

case ${1:-} in
reset_often | suspend_often)
	"$1" "$2"
	exit
	;;
esac

run() {
	what=$1
	shift
	n=$((n + 1))
	# shellcheck disable=SC2086 # a list of words
	if ./ledger -r "$n" ${SST_LEDGER_OPTIONS:-} "$@"; then
		echo "ok $n $what"
	else
		echo "not ok $n $what"
		failed=$((failed + 1))
	fi
}

echo "TAP version 13"
suspends=${SST_SUSPENDS:-0}
[ "$suspends" -gt 0 ] && echo "1..15" || echo "1..14"
requests=${SST_LEDGER_REQUESTS:-2000}
run "one process, depth 1" -p 1 -d 1 -n "$requests"
run "one process, depth 32" -p 1 -d 32 -n "$requests"
run "8 processes, a file each" -p 8 -d 8 -n "$requests"
run "8 processes on one file" -p 8 -d 4 -n "$requests" -s
run "more processes than slots, full queue" -p 12 -d 32 -n "$requests"
run "nonblocking" -p 6 -d 32 -n "$requests" -b
run "interrupted all the time" -p 4 -d 16 -n "$requests" -i
run "closed all the time with requests in flight" -p 4 -d 16 -n "$requests" -c -m
run "in one call or in slots, interrupted" -p 6 -d 8 -n "$requests" -o -m -i
run "in slots, several in one call" -p 6 -d 16 -n "$requests" -m
run "in slots of one file" -p 8 -d 4 -n "$requests" -s -m -o
if [ -n "${SST_SERIAL:-}" ]; then
	# Each of those that take long holds up all others. Most have ended before they
	# can be cancelled.
	run "cancelled all the time" -p 2 -d 4 -n "$((requests * 3 / 4))" -o -m -k -t
else
	run "cancelled all the time" -p 6 -d 16 -n "$requests" -o -m -k
fi
run "reset all the time" -p 8 -d 16 -n 1000000 -o -m -w "./ledger.sh reset_often ${SST_RESETS:-50}"
[ "$suspends" -eq 0 ] ||
	run "suspended all the time" -p 4 -d 8 -n 1000000 -o -m \
		-w "./ledger.sh suspend_often $suspends"
timeout=$(cat "$attribute")
echo 150 >"$attribute"
if [ -n "${SST_SERIAL:-}" ]; then
	# A late answer makes those behind it late as well.
	run "time-outs and late answers" -p 2 -d 2 -n "$((requests / 20))" -t
else
	run "time-outs and late answers" -p 4 -d 4 -n "$((requests / 4))" -t -m
fi
echo "$timeout" >"$attribute"
[ "$failed" -eq 0 ]
