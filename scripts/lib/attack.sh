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

# Prints the KiB of a line of /proc/meminfo.
kib() {
	awk -v name="$1:" '$1 == name { print $2 }' /proc/meminfo
}

# Prints what memory is used when what can be given back was: unreclaimable slab, available.
memory() {
	sync
	echo 3 >/proc/sys/vm/drop_caches
	sleep 1
	echo "$(kib SUnreclaim) $(kib MemAvailable)"
}

# Prints what memory() gave first ($1) and last ($2), and fails if it has grown by more than
# $3 KiB.
compare_memory() {
	local slab_first available_first slab_last available_last
	read -r slab_first available_first <<<"$1"
	read -r slab_last available_last <<<"$2"
	echo "# figure: KiB of slab at the start $slab_first"
	echo "# figure: KiB of slab at the end $slab_last"
	echo "# figure: KiB available at the start $available_first"
	echo "# figure: KiB available at the end $available_last"
	[ $((slab_last - slab_first)) -le "$3" ] || fail "slab has grown"
	[ $((available_first - available_last)) -le "$3" ] || fail "memory is missing"
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
