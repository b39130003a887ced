# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Makes small Debian systems, the same on every machine, and runs commands in
# them.
#
# $cache/debian/base-SUITE_KEY/root    one as debootstrap made it, root's, never to be
#                                      changed; KEY stands for this file and the list
#                                      of archives, which say how it was made. It is
#                                      done when there is a file "complete" beside it

# shellcheck source=kernel.sh
. "${BASH_SOURCE[0]%/*}/kernel.sh"

PATH=$PATH:/usr/sbin

debian_suites='trixie bookworm'
debian_log=$cache/debian/log

# Runs a command, its output going to the log, and ends the script if it fails.
debian_do() {
	"$@" >>"$debian_log" 2>&1 || die "$1 failed, see $debian_log: $(tail -n 1 "$debian_log")"
}

# Makes the proxy that the machine's apt uses known to the programs of other systems.
use_proxy() {
	[ -n "${http_proxy:-}" ] || eval "$(apt-config shell http_proxy Acquire::http::Proxy)"
	export http_proxy
}

# Prints the address of the machine's main or security ($1) archive in the way that
# debootstrap and other systems take it: they have no list of the machine's mirrors.
debian_address() {
	local address
	address=$(archive_address "$1")
	[[ $address != mirror+file:* ]] || address=$(awk '/^[a-z]/ { print $1; exit }' "${address#mirror+file:}")
	[ -n "$address" ] || die "this machine's apt has no $1 archive of Debian"
	echo "$address"
}

# Prints an apt sources.list of the "archive suite" lines on standard input.
debian_sources() {
	local archive suite address
	while read -r archive suite; do
		address=$(debian_address "$archive")
		echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $address $suite main"
	done
}

# Prints the sources.list of suite $1.
suite_sources() {
	printf '%s\n' "main $1" "main $1-updates" "main $1-backports" "security $1-security" | debian_sources
}

# Runs a command inside the system $2, with none of the caller's environment but
# with the machine's /proc; $1 is the command to become root with.
# shellcheck disable=SC2016 # the shell expands it
chroot_debian() {
	local become=$1 root=$2
	shift 2
	use_proxy
	$become unshare --mount sh -e -c 'mount --rbind /proc "$1/proc"; exec chroot "$@"' sh "$root" \
		env -i PATH=/usr/sbin:/usr/bin LC_ALL=C.UTF-8 DEBIAN_FRONTEND=noninteractive \
		${http_proxy:+http_proxy="$http_proxy"} "$@"
}

# Makes the system of suite $1 with the sources.list $2 in the folder $3. Nobody
# needs it after a crash: dpkg need not wait for the disk.
make_base() {
	local address
	address=$(debian_address main)
	use_proxy
	debian_do as_root rm -rf --one-file-system "$3"
	mkdir "$3"
	debian_do as_root env ${http_proxy:+http_proxy="$http_proxy"} debootstrap --variant=minbase \
		--keyring=/usr/share/keyrings/debian-archive-keyring.gpg "$1" "$3/root" "$address"
	debian_do as_root tee "$3/root/etc/apt/sources.list" <<<"$2"
	debian_do as_root tee "$3/root/etc/dpkg/dpkg.cfg.d/unsafe-io" <<<force-unsafe-io
	debian_do chroot_debian as_root "$3/root" apt-get clean
	touch "$3/complete"
}

# Prints the folder of the system of suite $1, made if need be. It has no package
# lists: they get old. Copies start with apt-get update.
debian_base() {
	local sources base
	[[ " $debian_suites " == *" $1 "* ]] || die "no suite $1; there are: $debian_suites"
	need_packages debootstrap debian-archive-keyring
	sources=$(suite_sources "$1")
	base=$cache/debian/base-$1_$({ cat "${BASH_SOURCE[0]}" && echo "$sources"; } | short_hash)
	mkdir -p "$cache/debian"
	(
		flock 9
		if [ ! -e "$base/complete" ]; then
			say "making a Debian system, $1 (half a minute)"
			make_base "$1" "$sources" "$base"
			prune_cache "$cache/debian/base-$1" "$base" as_root
		fi
	) 9>"$cache/debian/lock-base-$1"
	touch "$base"
	echo "$base/root"
}

# Gives the system $1 the machine's way to look up addresses.
share_resolver() {
	debian_do as_root cp --remove-destination /etc/resolv.conf "$1/etc/resolv.conf"
}

# Copies the system $1 to $2, which must not exist yet.
copy_debian() {
	debian_do as_root cp -a --reflink=auto "$1" "$2"
	share_resolver "$2"
}
