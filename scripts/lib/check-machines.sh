# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Suites of scripts/check: systems with the packages installed, booted in QEMU. They use
# check's driver_tests and its tests.

# The packages as their users have them: who may open the device, which module it is,
# and the program of README.md, which is built against the package with the headers.
readonly installed_test='
test=0
check() {
	test=$((test + 1))
	if "$@" >/run/out 2>&1; then echo "ok $test $what"; else echo "not ok $test $what"; sed "s/^/# /" /run/out; fi
}
what="udev gives the device to the group sst"
check test "$(stat -c "%G %a" /dev/sst0)" = "sst 660"
what="udev names the device by its number"
check test /dev/virtio-sst/by-id/7 -ef /dev/sst0
what="the module is the one that DKMS has built, and there is no other"
check sh -c "lsmod | grep -q ^virtio_sst && modinfo -n virtio-sst | grep /updates/dkms/ &&
	[ \$(find /lib/modules/\$(uname -r) -name virtio-sst.ko\* | wc -l) = 1 ]"
what="the program of README.md, as somebody in the group sst"
check setpriv --reuid=nobody --regid=nogroup --groups=sst "$0"
what="nobody else can open the device"
check sh -c "! setpriv --reuid=nobody --regid=nogroup --clear-groups $0 && grep -q denied /run/out"
echo "1..$test"'

# Boots the suite $1 with kernel $2 on the machine $3 (with further options) and runs
# what users run; what follows are selftests.
installed_system_tests() {
	local suite=$1 kernel=$2 options=$3 backend='--device-id 7'
	shift 3
	[[ $options != *--legacy* ]] || backend+=' --features -version_1'
	mkdir -p "$work/programs"
	code_block c "$top/README.md" >"$work/programs/readme.c"
	cc -I "$top/tools/virtio/sst/virtio-device" -static -o "$work/programs/readme" "$work/programs/readme.c"
	# shellcheck disable=SC2086 # a list of words
	machine --suite "$suite" --kernel "$kernel" --machine $options --backend "$backend" -- \
		sh -c "$installed_test" "$work/programs/readme"
	[ $# = 0 ] ||
		in=machine driver_tests "--suite $suite --kernel $kernel --queue-size 256 --machine $options" "$backend" "$@"
}

# Compiles for riscv64: riscv64_cc ARGUMENT...
riscv64_cc() {
	riscv64-linux-gnu-gcc --sysroot "$riscv64/root" "$@"
}

# The driver's tests $@ in a guest of another architecture, modern or, with --legacy in
# $1, legacy.
riscv64_tests() {
	local options=$1 backend='--events 5' riscv64 test
	shift
	need_packages gcc-riscv64-linux-gnu
	riscv64=$(riscv64_system 7.3)
	[ -n "$riscv64" ] || return
	[ -z "$options" ] || backend+=' --features -version_1'
	build_selftests
	for test in "$selftests"/*.c; do
		build_selftest riscv64_cc "$test" -o "$work/selftests/$(basename "$test" .c)" -luring
	done
	in=machine driver_tests "--machine riscv64 $options --queue-size 256" "$backend" "$@"
	code_block c "$top/README.md" >"$work/readme.c"
	riscv64_cc -I "$top/tools/virtio/sst/virtio-device" -o "$work/readme" "$work/readme.c"
	start_tap
	# shellcheck disable=SC2086 # a list of words
	test_that "the program of README.md" machine --machine riscv64 $options --backend "$backend" -- "$work/readme"
	end_tap
}

suite_qemu-riscv64() {
	export timeout=1800 SST_LEDGER_REQUESTS=200 SST_CYCLES=5
	riscv64_tests '' "${all_tests[@]}"
	riscv64_tests --legacy file_test
}

suite_installed() {
	export SST_LEDGER_REQUESTS=100 SST_CYCLES=5
	installed_system_tests trixie 7.3 q35 file_test
	installed_system_tests bookworm 6.1 microvm
}

suite_installed-all() {
	local system machine
	export timeout=1200 SST_LEDGER_REQUESTS=200 SST_CYCLES=5
	for system in "trixie 7.3" "trixie 6.12" "bookworm 6.12" "bookworm 6.1"; do
		for machine in q35 microvm "microvm --legacy"; do
			say "$system on $machine"
			# shellcheck disable=SC2086 # two words
			installed_system_tests $system "$machine" "${all_tests[@]}"
		done
	done
}
