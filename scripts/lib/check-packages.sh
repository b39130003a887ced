# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Suites of scripts/check: the Debian packages. They use check's test_that and silent.
# shellcheck disable=SC2154 # variables of scripts/check
# shellcheck disable=SC2016 # shells inside systems expand them

# shellcheck source=debian-base.sh
. "${BASH_SOURCE[0]%/*}/debian-base.sh"

# Builds the packages into the folder $1, from a copy of the sources in $2.
make_packages() {
	"$2/scripts/make-packages" --output "$1"
}

# Builds the packages in a clean Debian $1, with nothing but what they say they need. That
# of Debian 13 runs its lintian, too, on these and on those of this machine. It says
# something only if it finds something; the older one does not know the policy that they
# follow.
builds_and_lints() {
	local root=$work/lintian-$1 status=0
	{
		system_with_packages "$1" "$root" &&
			in_system "$root" apt-get -qqy --no-install-recommends install dpkg-dev &&
			in_system "$root" sh -e -c 'cd /tmp
				dpkg-source -x /packages/*.dsc source
				cd source
				apt-get -qqy build-dep --indep-only /packages/*.dsc
				dpkg-buildpackage -us -uc -A
				apt-get -qqy build-dep /packages/*.dsc
				dpkg-buildpackage -us -uc -B
				DEB_BUILD_OPTIONS=nocheck dpkg-buildpackage -us -uc
				apt-get -qqy --no-install-recommends install lintian
				rm /tmp/*_all.changes'
	} >"$work/apt.log" 2>&1 || { tail -n 20 "$work/apt.log"; status=1; }
	[ "$status" != 0 ] || [ "$1" != trixie ] ||
		silent in_system "$root" sh -c 'lintian --allow-root -EiIL +pedantic /tmp/*.changes /packages/*.changes' ||
		status=1
	as_root rm -rf --one-file-system "$root"
	return "$status"
}

# Makes the folder $1 a copy of the sources, with a git repository of its own.
clone_sources() {
	local file
	rm -rf "$1"
	git init -q "$1" && git -C "$top" ls-files -z --cached --others --exclude-standard |
		while read -rd '' file; do
			[ ! -e "$top/$file" ] || printf '%s\0' "$file"
		done | (cd "$top" && xargs -0 cp --parents -t "$1") && git -C "$1" add -A
}

# Builds the packages once more, in another folder, at another time, and as somebody
# with other habits, and compares.
same_packages_twice() {
	local copy=$work/elsewhere
	clone_sources "$copy" &&
		(umask 077 && TZ=Asia/Tokyo LC_ALL=C make_packages "$work/again" "$copy") &&
		for file in "$work"/packages/*.deb "$work"/packages/*.dsc "$work"/packages/*.tar.xz; do
			cmp "$file" "$work/again/${file##*/}" || return
		done
}

# Runs a command in the system $1.
in_system() {
	chroot_debian as_root "$@"
}

# Makes the folder $2 a clean Debian $1 that has the packages in /packages.
system_with_packages() {
	local base
	base=$(debian_base "$1") && copy_debian "$base" "$2" && as_root cp -r "$work/packages" "$2/packages" &&
		in_system "$2" apt-get -qq update >"$work/apt.log" 2>&1 && return
	cat "$work/apt.log"
	return 1
}

# Prints what is in the system $1 but for what apt, dpkg and ldconfig know of it.
system_files() {
	as_root find "$1" -xdev \( -path "$1/proc" -o -path "$1/var/lib/apt" -o -path "$1/var/lib/dpkg" -o \
		-path "$1/var/cache" -o -path "$1/var/log" -o -path "$1/packages" -o -path "$1/tmp" \) -prune \
		-o -printf '%y %m %u %g %P %l\n' | sort
}

# Installs packages in the system $1.
install_in() {
	in_system "$1" apt-get -qy --no-install-recommends install "${@:2}"
}

# Installs what the packages depend on in the system $1, so that what is new after that is
# of the packages themselves.
satisfies() {
	local package depends
	for package in "$work"/packages/virtio-sst-{dkms,dev,tools}_*.deb; do
		depends=$(dpkg-deb -f "$package" Depends)
		[ -z "$depends" ] || in_system "$1" apt-get -qqy --no-install-recommends satisfy "$depends" || return
	done
}

# Succeeds if DKMS has the module for all kernels of the system $1, and for no other.
built_for() {
	local expected seen
	expected=$(in_system "$1" sh -c 'cd /lib/modules && ls' | sort)
	seen=$(in_system "$1" dkms status | sed -n 's/^virtio-sst[,\/][^,]*, \([^,]*\), .*: installed$/\1/p' | sort)
	echo "expected $expected, seen $seen"
	[ -n "$seen" ] && [ "$expected" = "$seen" ] &&
		in_system "$1" sh -c 'for module in /lib/modules/*/updates/dkms/virtio-sst.ko*; do
			modinfo -F vermagic "$module" | grep -q "^$(basename "${module%/updates/*}") " || exit
		done'
}

# Makes packages of a version that is higher.
higher_version() {
	local copy=$work/higher
	rm -rf "$work/higher-packages"
	clone_sources "$copy" &&
		sed -i '1s/(\(.*\))/(\1.1)/' "$copy/debian/changelog" &&
		sed -i 's/^\(PACKAGE_VERSION="[^"]*\)"/\1.1"/' "$copy/dkms.conf" &&
		make_packages "$work/higher-packages" "$copy" && as_root cp -r "$work/higher-packages" "$1/higher"
}

# Succeeds if the packages upgrade in the system $1: one version of the module stays.
upgrades() {
	higher_version "$1" && install_in "$1" /higher/virtio-sst-d{kms,ev}_"$version".1_all.deb \
		"/higher/virtio-sst-tools_$version.1_amd64.deb" &&
		[ "$(in_system "$1" dkms status | grep -c '^virtio-sst.*\.1, ')" = \
			"$(in_system "$1" dkms status | grep -c '^virtio-sst')" ] &&
		[ "$(as_root find "$1/usr/src" -maxdepth 1 -name 'virtio-sst-*' | wc -l)" = 1 ] && built_for "$1"
}

# Builds and installs the module without the packages, for the kernels of the system $1.
installs_with_make() {
	local copy=$work/with-make
	rm -rf "$copy"
	copy_module "$copy" && cp -r "$top/tools" "$copy" && as_root cp -r "$copy" "$1/tmp/module" &&
		in_system "$1" sh -e -c 'cd /tmp/module
			for kernel in /lib/modules/*; do
				make -s KDIR="$kernel/build" install
				modinfo -k "${kernel##*/}" -n virtio-sst | grep "^$kernel/updates/drivers/virtio/virtio-sst\.ko"
				make -s clean
			done'
}

# Succeeds if nothing is left of the packages in the system $1 once they are purged,
# but for the group, which may own files.
leaves_nothing() {
	local left
	in_system "$1" apt-get -qy purge virtio-sst-dkms virtio-sst-dev virtio-sst-tools || return
	as_root rm -rf "$1/higher" "$1/etc/apt/sources.list.d/virtio-sst.list"
	system_files "$1" >"$work/after"
	left=$(diff "$work/before" "$work/after" | grep '^[<>]' |
		grep -vE ' (etc/(group|gshadow)-?|etc/\.pwd\.lock|(var/)?lib/dkms/mok\.(key|pub)|lib/modules/[^/]*/modules\.[^/]*|usr/lib/modules/[^/]*/modules\.[^/]*|usr/lib/modules/[^/]*) $' || true)
	echo "$left"
	[ -z "$left" ]
}

# Installs, upgrades and removes the packages in a clean Debian $1 with the packages of
# kernel headers $2.
package_tests() {
	local suite=$1 root=$work/root-$1 headers release
	read -ra headers <<<"$2"
	test_that "$suite: a clean system" system_with_packages "$suite" "$root"
	test_that "$suite: headers: $2" install_in "$root" dkms gcc libc6-dev pkgconf "${headers[@]}"
	test_that "$suite: what the packages depend on" satisfies "$root"
	system_files "$root" >"$work/before"
	test_that "$suite: apt install ./…deb" \
		install_in "$root" /packages/virtio-sst-d{kms,ev}_"$version"_all.deb "/packages/virtio-sst-tools_${version}_amd64.deb"
	test_that "$suite: DKMS builds for the installed kernels" built_for "$root"
	for release in 5.10.0-30-amd64 6.0.0-6-amd64; do
		test_that "$suite: DKMS refuses $release" dkms_refuses "$root" "$release"
	done
	test_that "$suite: the group sst" in_system "$root" getent group sst
	test_that "$suite: a program finds the headers" compiles_program "$root"
	test_that "$suite: upgrade" upgrades "$root"
	test_that "$suite: apt install by name, from make apt-repo" installs_by_name "$root"
	test_that "$suite: purge leaves nothing" leaves_nothing "$root"
	test_that "$suite: make install" installs_with_make "$root"
	as_root rm -rf --one-file-system "$root"
}

# The test of the package's own says it.
compiles_program() {
	as_root cp "$top/debian/tests/programs" "$1/tmp" &&
		in_system "$1" env AUTOPKGTEST_TMP=/tmp /tmp/programs
}

# Succeeds if DKMS, with our configuration, takes the kernels $1 and not those of $2,
# as it tells by itself.
dkms_takes() {
	local release
	for release in $1; do
		[[ $release =~ $(sed -n 's/^BUILD_EXCLUSIVE_KERNEL="\(.*\)"$/\1/p' "$top/dkms.conf") ]] || return
	done
	for release in $2; do
		! [[ $release =~ $(sed -n 's/^BUILD_EXCLUSIVE_KERNEL="\(.*\)"$/\1/p' "$top/dkms.conf") ]] || return
	done
}

# Succeeds if DKMS in the system $1 does not build for a kernel of the release $2, and
# says why.
dkms_refuses() {
	local output status=0
	output=$(in_system "$1" sh -c 'dkms build "virtio-sst/$1" -k "$2" --kernelsourcedir \
		"$(ls -d /usr/src/linux-headers-*-amd64 | head -n 1)"' sh "$version" "$2" 2>&1) || status=$?
	echo "status $status: $output"
	[ "$status" = 77 ] && grep -q BUILD_EXCLUSIVE <<<"$output"
}

# Makes an archive of the packages, and installs from it by name, in the system $1.
# shellcheck disable=SC2086 # a list of words
installs_by_name() {
	local names='virtio-sst-dkms virtio-sst-dev virtio-sst-tools'
	"$top/scripts/make-packages" --output "$work/packages" --archive >"$work/archive" &&
		as_root cp "$work"/packages/{Packages,Sources,Release} "$1/packages" &&
		sed -n "s|file:$work/packages |file:/packages |; s/^  deb /deb /p" "$work/archive" |
		as_root tee "$1/etc/apt/sources.list.d/virtio-sst.list" &&
		in_system "$1" apt-get -qq update && in_system "$1" apt-get -qy purge $names &&
		install_in "$1" $names && built_for "$1"
}

start_packages() {
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
	test_that "make deb" make_packages "$work/packages" "$top"
	test_that "the same packages when built again" same_packages_twice
	for suite in bookworm trixie; do
		test_that "$suite: the packages build, and lintian finds nothing" builds_and_lints "$suite"
	done
}

suite_packages() {
	local version suite
	start_tap
	start_packages
	test_that "kernels that DKMS takes" dkms_takes \
		"6.1.0-44-amd64 6.12.117+deb13-amd64 6.12.117+deb13-rt-amd64 7.0.0 7.3.4+deb13-cloud-amd64 10.0" \
		"4.19.0 5.10.0-30-amd64 5.15.0 6.0.0-1 6.0"
	package_tests bookworm linux-headers-cloud-amd64
	package_tests trixie linux-headers-cloud-amd64
	end_tap
}

# All of Debian's kernels.
suite_packages-all() {
	local version suite
	start_tap
	start_packages
	package_tests bookworm "linux-headers-amd64 linux-headers-cloud-amd64 linux-headers-rt-amd64 $(newer_headers bookworm 6.12)"
	package_tests trixie "linux-headers-amd64 linux-headers-cloud-amd64 linux-headers-rt-amd64 $(newer_headers trixie 7.3)"
	end_tap
}

# Prints the packages with the headers of kernel $2, in all flavours, that the suite $1
# has beside its own kernel.
newer_headers() {
	local root=$work/probe flavour
	system_with_packages "$1" "$root" >/dev/null
	for flavour in '' cloud- rt-; do
		in_system "$root" apt-cache pkgnames linux-headers- |
			grep -E "^linux-headers-${2//./\\.}\.[^-]*(-[0-9.]+)?-${flavour}amd64\$" | sort -V | tail -n 1
	done | tr '\n' ' '
	as_root rm -rf --one-file-system "$root"
}
