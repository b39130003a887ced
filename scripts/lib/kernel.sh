# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Fetches, patches, configures and builds kernels, of User Mode Linux and for QEMU's
# machines, and keeps them in the cache.
#
# $cache/source/KERNEL_VERSION_PATCHES          a kernel's patched source
# $cache/build/KERNEL-VARIANT_KEY               a kernel, built from it
#
# VERSION is that of Debian's source package; a kernel whose source is cached
# is not looked for again unless $kernel_update is set. KEY stands for all
# that a build depends on, so that it can't be an old one by mistake. A build
# can't be moved: it is done when it has a file "complete".

# shellcheck source=packages.sh
. "${BASH_SOURCE[0]%/*}/packages.sh"

# shellcheck disable=SC2034 # the scripts' that read this file
kernels='7.3 6.12 6.1'
kernel_patches=$top/scripts/uml-patches
kernel_configs=$top/scripts/uml-config
kernel_update=

# Prints the suites of Debian that have kernel $1, as "archive suite" lines.
kernel_suites() {
	case $1 in
	7.3) echo main trixie-backports ;;
	6.12) printf '%s\n' 'main trixie' 'security trixie-security' ;;
	6.1) printf '%s\n' 'main bookworm' 'security bookworm-security' ;;
	esac
}

# Prints the address of the machine's main or security ($1) archive of Debian.
archive_address() {
	local codename
	codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
	[ "$1" = main ] || codename=$codename-security
	# shellcheck disable=SC2016 # apt's variables
	apt-get indextargets --format '$(RELEASE) $(CODENAME) $(REPO_URI)' |
		awk -v codename="$codename" '$1 == codename || $2 == codename { address = $NF }
			END { print address }'
}

# Prints an apt sources.list with the suites that have kernel $1.
kernel_sources_list() {
	local archive suite address
	kernel_suites "$1" | while read -r archive suite; do
		address=$(archive_address "$archive")
		[ -z "$address" ] ||
			echo "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] $address $suite main"
	done
}

# Runs an apt tool on the private configuration in the folder $1.
private_apt() {
	local apt=$1 tool=$2
	shift 2
	"$tool" -q -o Dir::Etc::SourceList="$apt/sources.list" -o Dir::Etc::SourceParts=/dev/null \
		-o Dir::Etc::Preferences=/dev/null -o Dir::Etc::PreferencesParts=/dev/null \
		-o Dir::State::Lists="$apt/lists" -o Dir::Cache="$apt/cache" \
		-o APT::Sandbox::User=root "$@"
}

# Prints a short hash of standard input.
short_hash() {
	sha256sum | cut -c1-12
}

# Prints the patches that kernel $1 gets: those of all kernels, and its own.
patches_of() {
	local patch
	for patch in "$kernel_patches"/*.patch "$kernel_patches/$1"/*.patch; do
		[ ! -e "$patch" ] || echo "$patch"
	done
}

# Prints the hash of the patches that kernel $1 gets.
patches_hash() {
	patches_of "$1" | xargs -d '\n' cat | short_hash
}

# Prints the newest cached source of kernel $1, or nothing.
cached_source() {
	find "$cache/source" -maxdepth 1 -name "$1_*_$(patches_hash "$1")" | sort -V | tail -n 1
}

# Removes what is like $1_* in the cache but is not $2 and was not used for a day,
# with $3, as_root, if others than the caller own it.
prune_cache() {
	${3-} find "${1%/*}" -maxdepth 1 -name "${1##*/}_*" ! -path "$2" -mmin +1440 -exec rm -rf {} +
}

# Unpacks the package $1 with the source of kernel $3 into the folder $2 and patches it.
unpack_source() {
	local patch
	mkdir "$2"
	dpkg-deb --fsys-tarfile "$1" | tar -xO --wildcards './usr/src/linux-source-*.tar.xz' |
		tar -xJ -C "$2" --strip-components=1
	patches_of "$3" | while read -r patch; do
		patch -s -p1 -d "$2" <"$patch" || die "${patch##*/} does not apply to $1"
	done
}

# Fetches the source of kernel $1 into the cache.
fetch_source() {
	local package=linux-source-$1 part=$cache/source/$1.part list version tree
	rm -rf "$part"
	mkdir -p "$part/lists/partial" "$part/cache/archives/partial"
	list=$(kernel_sources_list "$1")
	[ -n "$list" ] || die "this machine's apt has no archive of Debian to take $package from"
	printf '%s\n' "$list" >"$part/sources.list"
	private_apt "$part" apt-get update >"$part/log" 2>&1 || die "$(tail -n 3 "$part/log")"
	version=$(private_apt "$part" apt-cache policy "$package" | awk '$1 == "Candidate:" { print $2 }')
	case $version in
	'' | '(none)') die "no suite has $package: $list" ;;
	esac
	tree=$cache/source/$1_${version}_$(patches_hash "$1")
	if [ ! -d "$tree" ]; then
		say "fetching and unpacking $package $version"
		(cd "$part" && private_apt "$part" apt-get download "$package=$version") >"$part/log" 2>&1 ||
			die "$(tail -n 3 "$part/log")"
		unpack_source "$part/$package"_*.deb "$part/tree" "$1"
		touch "$part/tree"
		mv "$part/tree" "$tree"
	fi
	rm -rf "$part"
	prune_cache "$cache/source/$1" "$tree"
}

# Prints the folder of the source of kernel $1, fetched if need be.
kernel_source() {
	local tree
	need_packages gcc libc6-dev make flex bison bc xz-utils patch kmod mount
	mkdir -p "$cache/source"
	(
		flock 9
		if [ -n "$kernel_update" ] || [ -z "$(cached_source "$1")" ]; then
			fetch_source "$1"
		fi
	) 9>"$cache/source/lock"
	tree=$(cached_source "$1")
	touch "$tree"
	echo "$tree"
}

# Prints the architecture that variant $1 is for.
variant_arch() {
	case $1 in
	kcsan | rt) echo x86_64 ;;
	*) echo um ;;
	esac
}

# Prints the configuration that variant $2 of kernel $1 asks for, sorted. Of options that
# are there twice, the last one counts.
config_fragment() {
	local part parts=
	case $2 in
	kcsan | rt) parts="x86_64 $2" ;;
	kasan) parts="kasan $([ "$1" != 7.3 ] || echo attack)" ;;
	lockdep) parts='kasan lockdep' ;;
	bench) parts='bench single' ;;
	bench-smp) parts=bench ;;
	bench-locks) parts='bench locks' ;;
	esac
	[ "$(variant_arch "$2")" != um ] || parts="uml $1 $parts"
	for part in common $parts; do
		! [ -e "$kernel_configs/$part.config" ] || grep '^CONFIG_' "$kernel_configs/$part.config"
	done | awk -F = '{ line[$1] = $0 } END { for (option in line) print line[option] }' | sort
}

# Ends the script if the configuration in the build folder $1 lacks something
# that its fragment asks for.
check_config() {
	local line wrong=
	while read -r line; do
		case $line in
		*=n) ! grep -q "^${line%n}" "$1/.config" || wrong="$wrong $line" ;;
		*) grep -qxF "$line" "$1/.config" || wrong="$wrong $line" ;;
		esac
	done <"$1/fragment"
	[ -z "$wrong" ] || die "the kernel's configuration does not take:$wrong"
}

# Runs the kernel's make, free of a calling make's settings.
kernel_make() {
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CROSS_COMPILE -u LLVM \
		make -j"$(nproc)" "$@"
}

# Runs it for User Mode Linux.
uml_make() {
	kernel_make ARCH=um "$@"
}

# Configures and builds the source $1 with the fragment $2 in the folder $3, for the
# architecture $4. Of what KCSAN can look at, the kernel itself is nothing.
build_kernel() {
	rm -rf "$3"
	mkdir "$3"
	printf '%s\n' "$2" >"$3/fragment"
	kernel_make ARCH="$4" -C "$1" O="$3" KCONFIG_ALLCONFIG="$3/fragment" allnoconfig >"$3/log" 2>&1 ||
		die "configuring failed, see $3/log"
	check_config "$3"
	kernel_make ARCH="$4" -C "$1" O="$3" KCSAN_SANITIZE=n all >>"$3/log" 2>&1 ||
		die "building failed, see $3/log: $(grep -m 1 -iE 'error|not found' "$3/log")"
	rm -f "$3/vmlinux.o" "$3/vmlinux.unstripped"
	[ "$4" = um ] || take_image "$3"
	touch "$3/complete"
}

# Puts what of the build $1 a machine boots from into a folder, as debian.sh does it with
# Debian's kernels. It boots without modules.
take_image() {
	mkdir "$1/boot"
	mv "$1/arch/x86/boot/bzImage" "$1/boot/vmlinuz"
	touch "$1/boot/modules"
}

# Prints the folder of kernel $1 built as variant $2, built if need be.
kernel_build() {
	local tree fragment build
	tree=$(kernel_source "$1")
	fragment=$(config_fragment "$1" "$2")
	[ "$(variant_arch "$2")" = um ] || need_packages libelf-dev
	build=$cache/build/$1-$2_$({ echo "$tree $fragment"; gcc --version; } | short_hash)
	mkdir -p "$cache/build"
	# Who has a kernel does not wait for somebody who builds another one.
	[ -e "$build/complete" ] || (
		flock 9
		if [ ! -e "$build/complete" ]; then
			say "building Linux ${tree##*/} for $(variant_arch "$2"), variant $2 (some minutes)"
			build_kernel "$tree" "$fragment" "$build" "$(variant_arch "$2")"
			prune_cache "$cache/build/$1-$2" "$build"
		fi
	) 9>"$cache/build/lock-$1-$2"
	touch "$build"
	echo "$build"
}
