# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Makes a Debian 13 system in the cache, with QEMU, Debian's own kernels, and what
# modules are built with for them: the same one whatever the machine has.
#
# $cache/debian/trixie_KEY                  the system; KEY stands for this file and
#                                           the system it starts from, which say how
#                                           it is made. Done when it has "complete"
# $cache/debian/trixie_KEY/kernels/KERNEL   a kernel of it: its image, the modules
#                                           that guests boot with, a list of them,
#                                           and "headers", a link to be followed
#                                           inside. Done when it has "complete"
# $cache/debian/trixie_KEY/work             for builds inside
#
# These are the caller's, the rest is root's. What is made is not made again when
# Debian has newer packages.

# shellcheck source=debian-base.sh
. "${BASH_SOURCE[0]%/*}/debian-base.sh"

debian_suite=trixie
debian_packages='qemu-system-x86 gcc make kmod busybox-static'
# The modules that a kernel finds its root and its devices with, and the benchmark's peers
boot_modules='9p 9pnet_virtio overlay virtio_console virtio_pci virtio_mmio vmw_vsock_virtio_transport'

# Runs a command inside the system $1. Who isn't root is called root there, but may
# write only to what is the caller's outside.
in_debian() {
	local become=
	[ "$(id -u)" = 0 ] || become='unshare --map-root-user'
	chroot_debian "$become" "$@"
}

# Installs packages in the system $1.
debian_install() {
	local root=$1
	shift
	debian_do chroot_debian as_root "$root" apt-get -qy -t "$debian_suite-backports" \
		--no-install-recommends install "$@"
	debian_do chroot_debian as_root "$root" apt-get clean
}

# Makes the apt of the system $1 know the suites that have kernel $2, and what they
# have now.
add_suites() {
	local sources
	sources=$(kernel_suites "$2" | awk -v own="$debian_suite" '$2 !~ "^" own' | debian_sources)
	debian_do as_root tee "$1/etc/apt/sources.list.d/linux-$2.list" <<<"$sources"
	share_resolver "$1"
	debian_do chroot_debian as_root "$1" apt-get -q update
}

# Makes the system $2 from the pristine one $1. QEMU is in the suite of kernel 7.3.
make_debian() {
	debian_do as_root rm -rf --one-file-system "$2"
	copy_debian "$1" "$2"
	add_suites "$2" 7.3
	# shellcheck disable=SC2086 # a list of words
	debian_install "$2" $debian_packages
	debian_do as_root mkdir "$2/work" "$2/kernels"
	debian_do as_root chown "$(id -u)" "$2" "$2/work" "$2/kernels"
	touch "$2/complete"
}

# Prints the newest release of kernel $2 that the apt of the system $1 knows.
kernel_release() {
	in_debian "$1" apt-cache pkgnames linux-headers- |
		sed -nE "s/^linux-headers-(${2//./\\.}\.[0-9][^-]*(-[0-9]+)?-amd64)\$/\1/p" | sort -V | tail -n 1
}

# Unpacks the packages with kernel $2 into the folder $3 of the system $1.
# Installing them would make an initramfs that is of no use.
# shellcheck disable=SC2016 # the shell inside expands it
unpack_kernel() {
	in_debian "$1" sh -e -c '
		cd "$2"
		apt-get -q -o APT::Sandbox::User=root download $(apt-cache pkgnames linux- |
			grep -xF -e "linux-image-$1" -e "linux-binary-$1" -e "linux-modules-$1")
		for package in *.deb; do
			dpkg-deb -x "$package" .
		done' sh "$2" "${3#"$1"}"
}

# Prints the files of the modules $2… below the folder $1, each after those that it
# needs. What isn't there is built into the kernel.
module_files() {
	local tree=$1 module file
	shift
	for module; do
		file=$(find "$tree" -name "${module//_/[_-]}.ko*")
		[ -n "$file" ] || continue
		# shellcheck disable=SC2046 # a list of words
		module_files "$tree" $(modinfo -F depends "$file" | tr , ' ')
		echo "$file"
	done | awk '!seen[$0]++'
}

# Takes what guests boot from the unpacked or installed packages in $1 into the folder
# $2. Kernels for RISC-V are not called vmlinuz.
take_kernel() {
	local file name
	find "$1" -xdev -type f \( -name 'vmlinuz*' -o -name 'vmlinux-*' \) -exec cp {} "$2/vmlinuz" \;
	[ -e "$2/vmlinuz" ] || die "no kernel in Debian's packages"
	# shellcheck disable=SC2086 # a list of words
	for file in $(module_files "$1" $boot_modules); do
		name=$(basename "$file" .xz)
		case $file in
		*.xz) xz -dc "$file" >"$2/$name" ;;
		*) cp "$file" "$2/$name" ;;
		esac
		echo "$name" >>"$2/modules"
	done
}

# Adds kernel $2 to the system $1.
add_kernel() {
	local root=$1 folder=$1/kernels/$2 release unpacked
	add_suites "$root" "$2"
	release=$(kernel_release "$root" "$2")
	[ -n "$release" ] || die "no linux-headers-$2…-amd64 in Debian's $(kernel_suites "$2" | tr "\n" " ")"
	debian_install "$root" "linux-headers-$release"
	unpacked=$(mktemp -d "$root/work/kernel.XXXXXX")
	debian_do unpack_kernel "$root" "$release" "$unpacked"
	rm -rf "$folder"
	mkdir "$folder"
	take_kernel "$unpacked" "$folder"
	rm -rf "$unpacked"
	ln -s "/usr/src/linux-headers-$release" "$folder/headers"
	touch "$folder/complete"
}

# Prints the folder of the system with kernel $1, or with QEMU alone if that is empty,
# made if need be.
debian_system() {
	local base root
	need_packages xz-utils kmod
	base=$(debian_base "$debian_suite")
	root=$cache/debian/${debian_suite}_$({ cat "${BASH_SOURCE[0]}" && echo "$base"; } | short_hash)
	(
		flock 9
		if [ ! -e "$root/complete" ]; then
			say "making a Debian system with QEMU (a minute)"
			make_debian "$base" "$root"
			prune_cache "$cache/debian/$debian_suite" "$root" as_root
		fi
		if [ -n "$1" ] && [ ! -e "$root/kernels/$1/complete" ]; then
			say "adding Debian's Linux $1 to it"
			add_kernel "$root" "$1"
		fi
	) 9>"$cache/debian/lock"
	touch "$root"
	echo "$root"
}
