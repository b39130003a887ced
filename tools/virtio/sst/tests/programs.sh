#!/bin/sh
# SPDX-License-Identifier: GPL-2.0-only
# Programs as users write them, on a device: those of the README, of the original
# README if it is here, and short writes and reads in Python.
set -u
cd "$(dirname "$0")" || exit 1
n=0
failed=0

check() {
	what=$1
	shift
	n=$((n + 1))
	if output=$("$@" 2>&1); then
		echo "ok $n $what"
	else
		echo "not ok $n $what"
		echo "$output" | sed 's/^/# /'
		failed=$((failed + 1))
	fi
}

says_cycles() {
	output=$("$@") && [ "$output" = "Compute completed: 100000 cycles" ] && return
	echo "$output"
	return 1
}

echo "TAP version 13"
check "the C program of the README" says_cycles ./readme
check "the Python program of the README" says_cycles /usr/bin/python3 readme.py
[ ! -e original ] || check "the program of the original README" says_cycles ./original
check "several writes, then several reads, in Python" /usr/bin/python3 old_program.py
echo "1..$n"
[ "$failed" -eq 0 ]
