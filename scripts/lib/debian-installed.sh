# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Makes Debian systems in the cache with a kernel and our packages installed, as a
# user's machine has them.
#
# $cache/debian/prepared-SUITE-KERNEL_KEY    a system with the kernel and its headers
# $cache/debian/installed-SUITE-KERNEL_KEY   a copy with our packages
#
# Each has a folder "root", the system, which is root's; the second one also "kernel",
# with what debian.sh's take_kernel takes. KEY stands for what it was made from. Done
# when there is a file "complete".

# shellcheck source=debian.sh
. "${BASH_SOURCE[0]%/*}/debian.sh"

# What a system needs to run, and what users look at the driver with
installed_packages='systemd systemd-sysv udev kmod procps xz-utils liburing2 libjson-c5 libmnl0 dkms
	bpftrace trace-cmd'

# Prints the kernels that suite $1 has.
suite_kernels() {
	case $1 in
	bookworm) echo 6.1 6.12 ;;
	trixie) echo 6.12 7.3 ;;
	esac
}

# Makes the system $3 of suite $1 with kernel $2. Nobody boots from an initramfs here.
prepare_system() {
	local release
	debian_do as_root rm -rf --one-file-system "$3"
	mkdir "$3"
	copy_debian "$(debian_base "$1")" "$3/root"
	debian_do chroot_debian as_root "$3/root" apt-get -q update
	release=$(kernel_release "$3/root" "$2")
	[ -n "$release" ] || die "Debian's $1 has no linux-headers-$2…-amd64"
	# shellcheck disable=SC2086 # a list of words
	debian_do chroot_debian as_root "$3/root" apt-get -qy --no-install-recommends install $installed_packages
	debian_do chroot_debian as_root "$3/root" env INITRD=No apt-get -qy --no-install-recommends \
		-t "$1-backports" install "linux-image-$release" "linux-headers-$release"
	debian_do chroot_debian as_root "$3/root" apt-get clean
	touch "$3/complete"
}

# Makes the system $2 from the one in $1, with the packages of the folder $3.
install_packages() {
	local version
	debian_do as_root rm -rf --one-file-system "$2"
	mkdir "$2"
	copy_debian "$1/root" "$2/root"
	debian_do as_root cp -r "$3" "$2/root/packages"
	version=$(sed -n 's/^PACKAGE_VERSION="\(.*\)"/\1/p' "$top/dkms.conf")
	debian_do chroot_debian as_root "$2/root" apt-get -qy --no-install-recommends install \
		"/packages/virtio-sst-dkms_${version}_all.deb" "/packages/virtio-sst-tools_${version}_amd64.deb"
	mkdir "$2/kernel"
	take_kernel "$2/root" "$2/kernel"
	touch "$2/complete"
}

# Makes our packages in the folder $1.
fresh_packages() {
	"$top/scripts/make-packages" --output "$1" >&2 || die "the packages cannot be made"
	find "$1" -type f ! -name '*.deb' -delete
}

# Prints the folder of the system of suite $1 with kernel $2 and our packages, made if
# need be. Runs in a shell of its own.
installed_system() (
	need_packages xz-utils kmod
	recipe=$(cat "${BASH_SOURCE[0]}" && debian_base "$1")
	prepared=$cache/debian/prepared-$1-${2}_$(short_hash <<<"$recipe")
	packages=$(mktemp -d "/tmp/$program.XXXXXX")
	trap 'rm -rf "$packages"' EXIT
	fresh_packages "$packages"
	installed=$cache/debian/installed-$1-${2}_$({ echo "$prepared" && cat "$packages"/*.deb; } | short_hash)
	(
		flock 9
		if [ ! -e "$prepared/complete" ]; then
			say "making a Debian system, $1 with Linux $2 (a minute or two)"
			prepare_system "$1" "$2" "$prepared"
			prune_cache "${prepared%_*}" "$prepared" as_root
		fi
		if [ ! -e "$installed/complete" ]; then
			say "installing our packages in $1 with Linux $2"
			install_packages "$prepared" "$installed" "$packages"
			prune_cache "${installed%_*}" "$installed" as_root
		fi
	) 9>"$cache/debian/lock-$1-$2"
	touch "$prepared" "$installed"
	echo "$installed"
)
