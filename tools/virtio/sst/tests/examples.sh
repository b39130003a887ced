#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Runs the examples, in a guest whose device sends events: examples.sh FOLDER, which has
# the programs in C, too.
set -u
n=0
failed=0

# Succeeds if a command prints lines that are all like $1, at least one.
prints() {
	pattern=$1
	shift
	output=$("$@" 2>&1) && [ -n "$output" ] && ! echo "$output" | grep -Evx "$pattern"
}

check() {
	name=$1
	shift
	n=$((n + 1))
	if prints "$@"; then
		echo "ok $n $name"
	else
		echo "not ok $n $name"
		echo "$output" | sed 's/^/# /'
		failed=1
	fi
}

# Prints the message of a command that is to fail.
# shellcheck disable=SC2317 # check calls it
refused() {
	! "$@" >/dev/null 2>/run/refused && cat /run/refused
}

cd "$1" || exit
check "compute" "100000 cycles" ./compute /dev/sst0 1000
check "compute: too much" "the device does not compute, or not so much" \
	refused ./compute /dev/sst0 1000001
check "events" "type 1: [1-9][0-9]*" ./events /dev/sst0 1
check "follow.py" "type 1, timestamp [0-9]+, data [0-9]+" /usr/bin/python3 follow.py /dev/sst0 5
check "memory.py" "1000000 bytes written in [0-9.]+ s, read in [0-9.]+ s" \
	/usr/bin/python3 memory.py /dev/sst0 1000000
echo "1..$n"
exit "$failed"
