# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Suites of scripts/check: what tools find in the driver, by reading it or while its tests run,
# and how much of it the tests execute. They use check's other suites, test_that and silent.
# shellcheck disable=SC2154 # variables of scripts/check

# The suites in whose guests gcov counts: those of the others add nothing to it.
readonly counted_suites='kunit modern netlink pairs module fault-injection'

# The driver's tests for machines that are slow and look at who does what at the same time
readonly race_tests=(file_test ioctl_test "uring_test -v plain -f own" aio_test "slots_test -f setup -f calls"
	response_test reset_test events_test ledger.sh "netlink_test -f device")

# Runs a suite as part of another: it may leave, or change the environment.
part_of_suite() {
	local status
	set +e
	(
		set -e
		carry_out "$1"
	)
	status=$?
	set -e
	[ "$status" = 0 ] || echo "not ok the suite $1 ended with status $status"
}

suite_coverage() {
	local part gcov=$work/gcov
	need_packages gcovr
	for part in $counted_suites; do
		say "coverage: $part"
		part_of_suite "$part"
	done
	(cd "$top" && gcovr --root . --filter drivers/virtio/virtio_sst --json "$work/coverage.json" "$gcov" >&2)
	(cd "$top" && /usr/bin/python3 scripts/lib/coverage.py "$work/coverage.json" scripts/lib/uncovered.yaml)
}

# Prints what the kernel's scripts for Coccinelle find in $1, a copy of the sources, with
# further arguments for make.
coccicheck() {
	local output
	output=$(uml_make -s -C "$build" M="$1" MODE=report "${@:2}" coccicheck 2>&1) || {
		printf '%s\n' "$output"
		return 1
	}
	sed -n '/^\.\//p' <<<"$output"
}

copy_driver() {
	mkdir "$1"
	cp -r "$top/drivers" "$top/include" "$1"
}

coccinelle_sees_faults() {
	copy_driver "$work/coccinelle-fault"
	sed -i 's/^\t\tkfree(aio);/&\n\t\taio->file = NULL;/' "$work/coccinelle-fault/drivers/virtio/virtio_sst_aio.c"
	coccicheck "$work/coccinelle-fault" COCCI="$source/scripts/coccinelle/free/kfree.cocci" |
		grep 'ERROR: reference preceded by free'
}

suite_analysis() {
	need_packages coccinelle
	copy_driver "$work/coccinelle"
	start_tap
	test_that "the kernel's scripts for Coccinelle" silent coccicheck "$work/coccinelle"
	test_that "Coccinelle sees a fault" coccinelle_sees_faults
	end_tap
}

# Runs the driver's tests on a kernel $1 of ours for QEMU.
race_suite() {
	export in=machine timeout=2400 SST_CYCLES=5 SST_RESETS=20 SST_LEDGER_REQUESTS=100
	kunit_tests "$1"
	driver_tests "$1 --queue-size 256" "--events 5" "${race_tests[@]}"
	SST_QUEUES=2 driver_tests "$1 --queues 2 --queue-size 256" "" pairs_test
}

# Runs loads in a guest with the sources $1, while its counters are read all the time. KCSAN
# has more watchpoints than it would have by itself.
kcsan_storm() {
	# shellcheck disable=SC2016 # the guest expands it
	"$1/scripts/qemu-run" --kcsan --queue-size 256 --timeout 900 --log "$work/guest-storm.log" \
		--backend "--events 5 $(<"$selftests/backend-options")" -- sh -c '
			cd "$0" || exit
			echo 50 >/sys/module/kcsan/parameters/skip_watch
			while read -r line </sys/class/virtio-sst/sst0/stats; do :; done &
			./ledger.sh
			status=$?
			kill $!
			exit $status' "$work/selftests"
}

# Succeeds if KCSAN sees that a lock is missing around counters that are read.
kcsan_sees_faults() {
	local copy=$work/kcsan-fault
	mkdir "$copy"
	cp -r "$top"/{Makefile,drivers,include,dkms,scripts,tools} "$copy"
	sed -i '/^static void sst_add_queue/,/^}/{/spin_\(un\)\?lock_irq/d}' "$copy/drivers/virtio/virtio_sst.c"
	SST_LEDGER_REQUESTS=200 SST_RESETS=5 kcsan_storm "$copy" >&2 || [ $? = 123 ] || return
	grep 'BUG: KCSAN: data-race in .*sst_get_totals' "$work/guest-storm.log"
}

suite_kcsan() {
	race_suite --kcsan
	start_tap
	test_that "KCSAN sees a fault" kcsan_sees_faults
	end_tap
	SST_LEDGER_REQUESTS=200 SST_RESETS=20 kcsan_storm "$top"
}

suite_rt() {
	race_suite --rt
}
