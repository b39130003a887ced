# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Makes what guests of the architecture riscv64 need, in the cache.
#
# $cache/debian/riscv64-KERNEL_KEY    KEY stands for what it is made from. Done when it
#                                     has a file "complete"
#     root       a Debian system for that architecture, as its packages have it: none
#                of their scripts was run. Compilers use it, too
#     kernel     the kernel, as debian.sh's take_kernel takes it
#     release    its release
#     work       for builds
#
# The cross compiler and the kernel's headers are in the system with QEMU.

# shellcheck disable=SC2034 # the list of kernels is the scripts' that read this file

# shellcheck source=debian.sh
. "${BASH_SOURCE[0]%/*}/debian.sh"

riscv64_kernel=6.12
riscv64_packages=kmod,procps,xz-utils,mawk,busybox-static,libc6-dev,liburing-dev,libmnl-dev

# The names by which the archive has the release. Its mirrors update each by itself, so
# that the lists of a seldom used architecture fit the signature by one of them only.
riscv64_suites="$debian_suite stable"

# apt shall know the other architecture, from that release and nowhere else.
riscv64_apt=(-o APT::Architectures::=amd64 -o APT::Architectures::=riscv64
	-o Dir::Etc::SourceList=/etc/apt/riscv64.list -o Dir::Etc::SourceParts=/dev/null
	-o Dir::State::Lists=/var/lib/apt/riscv64)

# Makes the apt of the system $1 know riscv64, and sets $riscv64_suite to the name that
# has it.
find_riscv64() {
	share_resolver "$1"
	for riscv64_suite in $riscv64_suites; do
		debian_do as_root rm -rf "$1/var/lib/apt/riscv64"
		debian_do as_root mkdir -p "$1/var/lib/apt/riscv64/partial"
		debian_do as_root tee "$1/etc/apt/riscv64.list" <<<"$(debian_sources <<<"main $riscv64_suite")"
		chroot_debian as_root "$1" apt-get -q "${riscv64_apt[@]}" update >>"$debian_log" 2>&1 && return
	done
	die "the archive's lists for riscv64 are not those that Debian has signed; the mirror" \
		"may be in the midst of an update: try later ($(grep '^E: ' "$debian_log" | tail -n 2 | head -n 1))"
}

# Makes the system in the folder $1. What the packages' scripts would do is done here
# as far as guests need it.
make_riscv64_root() {
	local package
	use_proxy
	debian_do as_root env ${http_proxy:+http_proxy="$http_proxy"} debootstrap --foreign --arch=riscv64 \
		--variant=minbase --include="$riscv64_packages" \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$riscv64_suite" "$1" "$(debian_address main)"
	for package in "$1"/var/cache/apt/archives/*.deb; do
		debian_do as_root dpkg-deb -x "$package" "$1"
	done
	debian_do as_root find "$1/var/cache/apt/archives" -name '*.deb' -delete
	debian_do as_root ln -sf mawk "$1/usr/bin/awk"
	debian_do as_root cp "$1/usr/share/base-passwd/passwd.master" "$1/etc/passwd"
	debian_do as_root cp "$1/usr/share/base-passwd/group.master" "$1/etc/group"
}

# Adds to the system with QEMU $1 what is needed for kernel $2, and prints the kernel's
# release. The packages with the headers of another architecture cannot be installed,
# since they want its compiler. What the others depend on is the system's: the release
# alone may not have it in the version that goes with what is installed.
# shellcheck disable=SC2016 # the shell inside expands it
add_riscv64_headers() {
	local release packages
	release=$(chroot_debian as_root "$1" apt-cache "${riscv64_apt[@]}" pkgnames linux-headers- |
		sed -nE "s/^linux-headers-(${2//./\\.}\.[0-9][^-]*(-[0-9]+)?-riscv64)\$/\1/p" | sort -V | tail -n 1)
	[ -n "$release" ] || die "Debian has no linux-headers-$2…-riscv64"
	debian_do chroot_debian as_root "$1" sh -e -c '
		rm -rf /tmp/riscv64
		mkdir /tmp/riscv64
		cd /tmp/riscv64
		release=$1
		shift
		apt-get -q -o APT::Sandbox::User=root "$@" download "linux-headers-$release:riscv64" \
			"linux-kbuild-${release%-riscv64}" "linux-headers-${release%-riscv64}-common"
		dpkg-deb -x "linux-headers-$release"_*.deb /
		rm "linux-headers-$release"_*.deb' sh "$release" "${riscv64_apt[@]}"
	mapfile -t packages < <(as_root find "$1/tmp/riscv64" -name '*.deb' -printf '/tmp/riscv64/%f\n')
	debian_do chroot_debian as_root "$1" apt-get -q update
	debian_install "$1" gcc-riscv64-linux-gnu qemu-system-riscv opensbi "${packages[@]}"
	debian_do as_root rm -r "$1/tmp/riscv64"
	echo "$release"
}

# Unpacks the packages with the kernel of release $2 in the folder $3 of the system $1.
# shellcheck disable=SC2016 # the shell inside expands it
unpack_riscv64_kernel() {
	in_debian "$1" sh -e -c '
		release=$1
		cd "$2"
		shift 2
		apt-get -q -o APT::Sandbox::User=root "$@" download $(apt-cache "$@" pkgnames linux- |
			grep -xF -e "linux-image-$release" -e "linux-binary-$release" -e "linux-modules-$release" |
			sed "s/\$/:riscv64/")
		for package in *.deb; do
			dpkg-deb -x "$package" .
		done' sh "$2" "${3#"$1"}" "${riscv64_apt[@]}"
}

# Makes it for kernel $2 in the folder $3, with the system with QEMU $1.
make_riscv64() {
	local release unpacked
	debian_do as_root rm -rf --one-file-system "$3"
	mkdir -p "$3/kernel" "$3/work"
	find_riscv64 "$1"
	release=$(add_riscv64_headers "$1" "$2")
	make_riscv64_root "$3/root"
	unpacked=$(mktemp -d "$1/work/kernel.XXXXXX")
	debian_do unpack_riscv64_kernel "$1" "$release" "$unpacked"
	take_kernel "$unpacked" "$3/kernel"
	rm -rf "$unpacked"
	echo "$release" >"$3/release"
	touch "$3/complete"
}

# Prints the folder for kernel $1, made if need be.
riscv64_system() {
	local debian folder
	need_packages xz-utils kmod debootstrap
	debian=$(debian_system '')
	folder=$cache/debian/riscv64-${1}_$({ cat "${BASH_SOURCE[0]}" && echo "$debian"; } | short_hash)
	(
		flock 9
		if [ ! -e "$folder/complete" ]; then
			say "making a Debian system for riscv64 with Linux $1 (a minute or two)"
			make_riscv64 "$debian" "$1" "$folder"
			prune_cache "${folder%_*}" "$folder" as_root
		fi
	) 9>"$cache/debian/lock"
	touch "$folder"
	echo "$folder"
}
