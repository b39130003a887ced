# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the first process of a guest does, whatever the guest is. The folder
# $SST_RUN, shared with the machine, has its orders and takes its results:
#   up        the guest has come up
#   status    the command's exit status
#   kmemleak  what kmemleak found, where the kernel has it
#   gcov      the compiler's notes, if the modules were built for gcov, to which its
#             counters are added
# A script that reads this file has the function power_off, which ends the guest.

export PATH=$PATH:/usr/sbin:/sbin

# The orders.
folder=/ devices=0 load_module='' command=()

# Makes the file systems that a program expects. /dev is there already.
mount_all() {
	mount -t proc proc /proc
	mount -t sysfs sysfs /sys
	mkdir -p /dev/pts /dev/shm
	mount -t devpts devpts /dev/pts
	mount -t tmpfs tmpfs /dev/shm
	mount -t tmpfs tmpfs /run
	mount -t debugfs debugfs /sys/kernel/debug
	mount -t tracefs tracefs /sys/kernel/tracing
	mkdir /run/tmp
}

# Says why the command can't be run, and ends the guest.
give_up() {
	echo "${0##*/}: $*" >/dev/kmsg
	power_off
}

# Loads the module, or leaves it to udev, and waits for its devices.
load_module() {
	local last=/dev/sst$((devices - 1)) i
	if [ "$load_module" = udev ]; then
		udevadm settle
	else
		# shellcheck disable=SC2086 # the parameters are words
		insmod "$SST_MODULE" $SST_MODULE_ARGS || give_up "the module cannot be loaded"
	fi
	[ "$devices" -gt 0 ] || return
	for ((i = 0; i < 100; i++)); do
		[ ! -e "$last" ] || return
		sleep 0.1
	done
	give_up "$last does not appear"
}

# Runs the command, its output going through pipes to the devices $1 and $2 so
# that it sees no terminal, and waits a little for the pipes to run empty.
run_command() {
	local status i
	mkfifo /run/stdout /run/stderr
	cat /run/stdout >"$1" &
	cat /run/stderr >"$2" &
	"${command[@]}" </dev/null >/run/stdout 2>/run/stderr
	status=$?
	for ((i = 0; i < 50; i++)); do
		[ -n "$(jobs -r)" ] || break
		sleep 0.1
	done
	echo "$status" >"$SST_RUN/status"
}

# Looks for leaked memory; kmemleak only tells of objects some seconds old.
check_leaks() {
	sleep 6
	echo scan >/sys/kernel/debug/kmemleak
	echo scan >/sys/kernel/debug/kmemleak
	cat /sys/kernel/debug/kmemleak >"$SST_RUN/kmemleak"
}

# Adds gcov's counters to the notes of the compiler. The kernel has them under the path
# that the build had, and keeps them when a module is unloaded.
save_gcov() {
	local notes counters
	find "$SST_RUN/gcov" -name '*.gcno' | while read -r notes; do
		counters=${notes%.gcno}.gcda
		[ ! -e "/sys/kernel/debug/gcov${counters#"$SST_RUN/gcov"}" ] ||
			cat "/sys/kernel/debug/gcov${counters#"$SST_RUN/gcov"}" >"$counters"
	done
}

# Carries out the orders, the command's output going to the devices $1 and $2,
# and ends the guest.
carry_out() {
	# shellcheck source=/dev/null
	. "$SST_RUN/environment"
	# shellcheck source=/dev/null
	. "$SST_RUN/orders"
	PATH=$PATH:/usr/sbin:/sbin TMPDIR=/run/tmp
	export TMPDIR
	ulimit -c 0
	cd "$folder" || give_up "no folder $folder in the guest"
	echo 30 >/proc/sys/kernel/hung_task_timeout_secs
	[ ! -e /sys/kernel/debug/kmemleak ] || echo clear >/sys/kernel/debug/kmemleak
	[ -z "$load_module" ] || load_module 2>/dev/kmsg
	run_command "$1" "$2"
	[ ! -e "$SST_RUN/gcov" ] || save_gcov
	[ ! -e /sys/kernel/debug/kmemleak ] || check_leaks
	power_off
}
