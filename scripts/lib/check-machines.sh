# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Suites of scripts/check: systems with the packages installed, booted in QEMU. They use
# check's driver_tests and its tests.
# shellcheck disable=SC2154 # variables of scripts/check
# shellcheck disable=SC2016 # shells inside systems expand them

# shellcheck source=debian-installed.sh
. "${BASH_SOURCE[0]%/*}/debian-installed.sh"
# shellcheck source=debian-riscv64.sh
. "${BASH_SOURCE[0]%/*}/debian-riscv64.sh"

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
what="sstctl lists the device, as anybody"
check sh -c "setpriv --reuid=nobody --regid=nogroup --clear-groups sstctl list | grep \"^sst0 *running *7 \""
what="sstctl ping, as somebody in the group sst"
check setpriv --reuid=nobody --regid=nogroup --groups=sst sstctl ping -c 3 -i 0.1
what="sstctl tells anybody else about the group"
check sh -c "! setpriv --reuid=nobody --regid=nogroup --clear-groups sstctl ping && grep -q \"for the group sst; as root: adduser\" /run/out"
what="the other commands of sstctl"
check sh -e -c "sstctl -d /dev/virtio-sst/by-id/7 info; sstctl stats; sstctl set busy_poll_us 0; sstctl reset
	sstctl compute 1; sstctl configure 1 1; sstctl write 0 -f /bin/sh; sstctl echo hello
	sstctl read 0 \$(stat -Lc %s /bin/sh) | cmp - /bin/sh"
echo "1..$test"'

# Boots the suite $1 with kernel $2 on the machine $3 (with further options) and runs
# what users run; what follows are selftests.
installed_system_tests() {
	local suite=$1 kernel=$2 options=$3 backend='--device-id 7'
	shift 3
	[[ $options != *--legacy* ]] || backend+=' --features -version_1'
	mkdir -p "$work/installed"
	code_block c "$top/README.md" >"$work/installed/readme.c"
	cc -I "$top/tools/virtio/sst/virtio-device" -static -o "$work/installed/readme" "$work/installed/readme.c"
	# shellcheck disable=SC2086 # a list of words
	machine --suite "$suite" --kernel "$kernel" --machine $options --backend "$backend" -- \
		sh -c "$installed_test" "$work/installed/readme"
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
	# Other suites have tests for this machine in theirs.
	local work=$work/riscv64
	shift
	mkdir -p "$work"
	need_packages gcc-riscv64-linux-gnu
	riscv64=$(riscv64_system "$riscv64_kernel")
	[ -n "$riscv64" ] || return
	[ -z "$options" ] || backend+=' --features -version_1'
	build_selftests
	for test in "$selftests"/*.c; do
		# shellcheck disable=SC2046 # a list of words
		build_selftest riscv64_cc $(test_sources "$test") -o "$work/selftests/$(basename "$test" .c)" \
			"${selftest_libraries[@]}"
	done
	in=machine driver_tests "--machine riscv64 $options --queue-size 256" "$backend" "$@"
	code_block c "$top/README.md" >"$work/readme.c"
	riscv64_cc -I "$top/tools/virtio/sst/virtio-device" -o "$work/readme" "$work/readme.c"
	start_tap
	# shellcheck disable=SC2086 # a list of words
	test_that "the program of README.md" machine --machine riscv64 $options --backend "$backend" -- "$work/readme"
	end_tap
}

suite_riscv64() {
	riscv64_tests '' file_test
}

suite_qemu-riscv64() {
	export timeout=1800 SST_LEDGER_REQUESTS=200 SST_CYCLES=5
	riscv64_tests '' "${all_tests[@]}"
	riscv64_tests --legacy file_test
}

# Runs a test that the packages have for Debian in the system $1.
own_test() {
	as_root rm -rf "$1/tmp/test" &&
		as_root mkdir "$1/tmp/test" &&
		in_system "$1" sh -c 'cd /tmp/source && AUTOPKGTEST_TMP=/tmp/test debian/tests/"$1"' sh "$2"
}

# Makes $1 a system with the packages and what their tests depend on.
system_for_own_tests() {
	local installed
	installed=$(installed_system trixie 7.3) && copy_debian "$installed/root" "$1" &&
		as_root mkdir "$1/tmp/source" && as_root cp -r "$top/debian" "$top/README.md" "$1/tmp/source" &&
		in_system "$1" apt-get -qq update &&
		in_system "$1" apt-get -qqy --no-install-recommends -t trixie-backports install qemu-system-x86 \
			busybox-static cpio gcc libc6-dev pkgconf \
			"/packages/virtio-sst-dev_$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")_all.deb"
}

own_tests() {
	local test
	start_tap
	test_that "a system for the packages' own tests" system_for_own_tests "$work/own-tests"
	for test in programs machine; do
		test_that "debian/tests/$test" own_test "$work/own-tests" "$test"
	done
	end_tap
	as_root rm -rf --one-file-system "$work/own-tests"
}

# Runs the commands that the driver's page has for tracepoints, in Debian 13.
trace_examples() {
	sed -n '/^Tracepoints$/,/^debugfs$/s/^\t//p' "$top/Documentation/driver-api/virtio/virtio_sst.rst" >"$work/trace-examples"
	machine --suite trixie --kernel 7.3 --mem 1G --backend '' -- \
		"$top/scripts/lib/run-examples" "$work/trace-examples" "$work/installed/readme"
}

# Runs the packages' own test of the service, which needs a system with systemd, in the suite $1
# with kernel $2.
service_tests() {
	machine --suite "$1" --kernel "$2" --mem 1G --backend '' -- "$top/debian/tests/service"
}

suite_installed() {
	export SST_LEDGER_REQUESTS=100 SST_CYCLES=5
	own_tests
	installed_system_tests trixie 7.3 q35 file_test
	trace_examples
	service_tests trixie 7.3
	installed_system_tests bookworm 6.1 microvm
	service_tests bookworm 6.1
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
