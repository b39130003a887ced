# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
# shellcheck disable=SC2154 # scripts/trust sets them
#
# Attacks by programs: hostile ones, and faults in what they ask the kernel for.

# shellcheck disable=SC2034 # scripts/trust's
share_hostile_program=3

# Hostile programs for $2 seconds and with the option $3, in a guest with the options $1;
# then the module must be unused. Of a run that fails, the programs that ran are in what it prints.
fuzz_in_guest() {
	# shellcheck disable=SC2016,SC2086 # the guest expands it; a list of words
	guest $1 --timeout $(($2 * 2 + 240)) \
		--backend "--events 5 $(<"$selftests/backend-options")" -- sh -c '
			"$0/fuzz" -t "$1" -r "$2" -p 6 $3
			status=$?
			rmmod virtio_sst && echo "ok 1 - the module can be unloaded" ||
				echo "not ok 1 - the module cannot be unloaded"
			echo 1..1
			exit $status' "$work/selftests" "$2" "$seed" "${3-}"
}

# With coverage; of a long run, the last quarter with the slow checks of the kernel's. When a
# program with a ring of libaio ends, User Mode Linux itself walks mappings without a lock,
# which lockdep reports.
attack_hostile-program() {
	build_selftests
	if [ "$seconds" -lt 300 ]; then
		fuzz_in_guest "--kasan --kcov" "$seconds"
	else
		fuzz_in_guest "--kasan --kcov" $((seconds * 3 / 4))
		fuzz_in_guest --lockdep $((seconds / 4)) -l
	fi
}

# Each allocation and each copy in each operation fails once. That takes as long as it does.
attack_fault-injection() {
	build_selftests
	driver_tests --kasan "--events 5" fault_test
}
