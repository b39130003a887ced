# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the programs of attacks have in common that befall a guest's first device.
# shellcheck disable=SC2034 # those who read this file use them

readonly attributes=/sys/class/virtio-sst/sst0

# Seconds that await() waits at most
patience=20

fail() {
	echo "# ${0##*/}: $*" >&2
	exit 1
}

# Waits until a command succeeds.
await() {
	local end=$((SECONDS + patience))
	until "$@" 2>/dev/null; do
		[ "$SECONDS" -lt "$end" ] || fail "still not: $*"
		sleep 0.02
	done
}

# Succeeds if the counter $1 of the device is $2.
counter_is() {
	[ "$(sed -n "s/^$1 //p" "$attributes/stats")" = "$2" ]
}

# Waits for $1 ms, without a process of its own.
pause() {
	[ -n "${clock-}" ] || start_clock
	read -r -t "$(printf '%d.%03d' $(($1 / 1000)) $(($1 % 1000)))" -u "$clock" || true
}

# What pause() waits for, which never comes
start_clock() {
	local folder
	folder=$(mktemp -d)
	mkfifo "$folder/clock"
	exec {clock}<>"$folder/clock"
	rm -r "$folder"
}
