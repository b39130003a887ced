# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Suites of scripts/check: the driver in a kernel tree. They use $source, the source
# of Linux 7.3, and check's test_that and silent.
# shellcheck disable=SC2154 # variables of scripts/check

# Options that programs or the kernel around us may lack, as a kernel's configuration
# has them
readonly optional='PM COMPAT IO_URING DEBUG_FS NET SYSFS PROC_FS EVENTFD EPOLL MODULE_UNLOAD'

# Compilers for other machines: ARCH, Debian's package, prefix, options
machines_for_builds() {
	case $1 in
	um) echo '' '64BIT=y VIRTIO_UML=y' ;;
	x86_64) echo '' 'PCI=y VIRTIO_PCI=y' ;;
	arm64) echo aarch64-linux-gnu- 'VIRTIO_MMIO=y' ;;
	riscv) echo riscv64-linux-gnu- 'VIRTIO_MMIO=y' ;;
	s390) echo s390x-linux-gnu- 'S390_GUEST=y' ;;
	esac
}

# Runs git in the kernel tree $tree, with none of the caller's settings.
tree_git() {
	env -i PATH="$PATH" HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 GIT_AUTHOR_NAME=check \
		GIT_AUTHOR_EMAIL=check GIT_COMMITTER_NAME=check GIT_COMMITTER_EMAIL=check git -C "$tree" "$@"
}

# Makes $tree a kernel tree of our own, a git repository as far as the series is
# concerned with it. Its files are links, and whoever changes one makes a new file.
make_tree() {
	tree=$work/linux
	[ ! -e "$tree" ] || return 0
	cp -al "$source" "$tree"
	tree_git init -q
	hooked_files | xargs git -C "$tree" add -f
	tree_git commit -qm base
}

# Runs the kernel's make in $tree for the machine $arch, in a folder for $arch.
tree_make() {
	local prefix
	prefix=$(machines_for_builds "$arch" | cut -d ' ' -f 1)
	env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL -u CROSS_COMPILE -u LLVM -u KDIR \
		make -s -j"$(nproc)" -C "$tree" O="$work/build-$arch" ARCH="$arch" CROSS_COMPILE="$prefix" "$@"
}

# Configures a kernel for the machine $1 with as little as can be and the options $2.
configure() {
	local arch=$1 option
	mkdir -p "$work/build-$arch"
	for option in MODULES=y MODULE_UNLOAD=y VIRTIO_MENU=y $(machines_for_builds "$arch" | cut -d ' ' -f 2-) $2; do
		echo "CONFIG_$option"
	done >"$work/build-$arch/fragment"
	tree_make KCONFIG_ALLCONFIG="$work/build-$arch/fragment" allnoconfig >/dev/null && check_config "$work/build-$arch"
}

# Builds the folder of the driver for the machine $1 with the options $2.
build_driver() {
	local arch=$1
	configure "$1" "$2" && tree_make prepare modules_prepare >/dev/null 2>&1 && tree_make W=1 drivers/virtio/
}

# Succeeds if the patch $1 passes checkpatch, see check_patch. Who maintains new files
# is said once, in a patch of its own. Code that is generated has lines of its own length.
check_mail() {
	awk '/^diff --git/ { generated = /_nl\.[ch]$/ } !generated' "$1" |
		GIT_DIR=/nonexistent perl "$source/scripts/checkpatch.pl" --root "$source" --strict --terse \
			--show-types --ignore FILE_PATH_CHANGES,BRACES -
}

# Applies the patch $1, as git does it: without fuzz. It takes no faults of white space.
apply_mail() {
	tree_git am -q --whitespace=error "$1"
}

# Succeeds if all files of the series are in $tree as they are here.
tree_is_ours() {
	local file
	for file in $(cd "$top" && git ls-files drivers include Documentation/ABI Documentation/netlink Documentation/userspace-api \
		Documentation/driver-api tools/testing | grep -v '^drivers/virtio/\(Kconfig\|Makefile\)$'); do
		cmp "$top/$file" "$tree/$file" || return
	done
	for file in Kconfig Makefile; do
		[ "$(grep -cxFf <(sed 1d "$top/drivers/virtio/$file" | grep .) "$tree/drivers/virtio/$file")" -ge \
			"$(sed 1d "$top/drivers/virtio/$file" | grep -c .)" ] || return
	done
}

# Builds the driver as it is after a patch: as a module, into the kernel if $1 is
# "all", and the kernel's folder without it.
build_after_patch() {
	local value
	[ -e "$tree/drivers/virtio/virtio_sst.c" ] || { silent build_driver um ''; return; }
	for value in m ${1:+y n}; do
		silent build_driver um "VIRTIO_SST=$value" || return
	done
}

# Applies the patches one by one and looks at each; $1 as for build_after_patch.
patch_tests() {
	local tree patch name last=
	test_that "patches/ is what the sources make" "$top/scripts/make-patches" --check
	make_tree
	for patch in "$top"/patches/*.patch; do
		name=${patch##*/}
		name=${name%.patch}
		test_that "$name: checkpatch" silent_but_summary check_mail "$patch"
		test_that "$name: applies" apply_mail "$patch"
		[ "$patch" != "$(printf '%s\n' "$top"/patches/*.patch | tail -n 1)" ] || last=all
		test_that "$name: builds" build_after_patch "${1:-$last}"
	done
	test_that "the tree after the series has our files" tree_is_ours
}

suite_patches() {
	need_packages git perl gcc-s390x-linux-gnu gcc-riscv64-linux-gnu
	start_tap
	patch_tests ''
	tree=$work/linux
	test_that "a big-endian machine (s390x)" silent build_driver s390 VIRTIO_SST=m
	test_that "riscv64" silent build_driver riscv VIRTIO_SST=m
	test_that "apply-patches: a tree that has the driver" fails_with 121 "$top/scripts/apply-patches" "$tree"
	test_that "apply-patches: an older kernel" fails_with 121 "$top/scripts/apply-patches" "$(kernel_source 6.1)"
	test_that "apply-patches: no kernel" fails_with 121 "$top/scripts/apply-patches" "$work"
	test_that "apply-patches: a tree that it does not fit" does_not_fit
	test_that "apply-patches: a tree without git" applies_without_git
	test_that "apply-patches: a tree in git that it does not fit" does_not_fit_git
	test_that "apply-patches: changes that are not committed" leaves_changes
	test_that "apply-patches: in the midst of git am" leaves_git_am
	test_that "apply-patches: nobody's name to commit with" needs_a_name
	test_that "apply-patches: a tree in git" applies_with_git
	end_tap
}

# Prints the kernel's own files that the series changes.
hooked_files() {
	local file
	sed -n 's|^--- a/||p' "$top"/patches/*.patch | sort -u | while read -r file; do
		[ ! -e "$source/$file" ] || echo "$file"
	done
}

# Makes $work/bare what the series needs of a kernel's source, without git.
bare_tree() {
	rm -rf "$work/bare"
	mkdir -p "$work/bare"
	hooked_files | (cd "$source" && xargs cp --parents -t "$work/bare" Makefile)
}

does_not_fit() {
	bare_tree
	sed -i '/endif # VIRTIO_MENU/d' "$work/bare/drivers/virtio/Kconfig"
	fails_with 121 "$top/scripts/apply-patches" "$work/bare" && [ ! -e "$work/bare/drivers/virtio/virtio_sst.c" ]
}

applies_without_git() {
	bare_tree
	"$top/scripts/apply-patches" "$work/bare" && cmp "$top/drivers/virtio/virtio_sst.c" "$work/bare/drivers/virtio/virtio_sst.c"
}

# The same, in a git repository.
git_tree() {
	bare_tree
	git_do init -q && git_do add -A && git_do commit -qm base
}

git_do() {
	git -C "$work/bare" -c user.name=Somebody -c user.email=somebody@example.org "$@"
}

# Succeeds if apply-patches fails with the message $1 and commits nothing.
refuses() {
	local output status=0 before
	before=$(git_do rev-parse HEAD)
	output=$("$top/scripts/apply-patches" "$work/bare" 2>&1) || status=$?
	echo "$output"
	[ "$status" = 121 ] && grep -q "$1" <<<"$output" && [ "$(git_do rev-parse HEAD)" = "$before" ]
}

does_not_fit_git() {
	git_tree
	sed -i '/endif # VIRTIO_MENU/d' "$work/bare/drivers/virtio/Kconfig"
	git_do commit -qam changed
	refuses 'does not fit.*error: ' && [ -z "$(git_do status --porcelain)" ]
}

leaves_changes() {
	git_tree
	echo >>"$work/bare/drivers/virtio/Kconfig"
	refuses 'not committed' && [ -n "$(git_do status --porcelain)" ]
}

# Somebody's own series stopped after its first patch.
leaves_git_am() {
	git_tree
	git_do commit -q --allow-empty -m first
	printf 'From: A <a@example.org>\nSubject: second\n\n---\n--- a/none\n+++ b/none\n@@ -1 +1 @@\n-a\n+b\n' |
		git_do am -q && return 1
	refuses 'in the midst' && [ -d "$work/bare/.git/rebase-apply" ]
}

needs_a_name() {
	git_tree
	git_do config user.useConfigOnly true
	HOME=/nonexistent XDG_CONFIG_HOME=/nonexistent GIT_CONFIG_NOSYSTEM=1 refuses 'git am failed.*fatal'
}

applies_with_git() {
	git_tree
	git_do config user.name Somebody && git_do config user.email somebody@example.org
	"$top/scripts/apply-patches" "$work/bare" &&
		cmp "$top/drivers/virtio/virtio_sst.c" "$work/bare/drivers/virtio/virtio_sst.c" &&
		[ "$(git_do rev-list --count HEAD)" = "$(($(printf '%s\n' "$top"/patches/*.patch | wc -l) + 1))" ]
}

# Builds the driver for the machine $1 in both ways, with sparse, which does not know
# the newer names of the RISC-V instruction sets. The kernel's vdso is built on the way.
build_both() {
	local arch=$1 value sparse=1
	[ "$arch" != riscv ] || sparse=0
	for value in m y; do
		configure "$1" "VIRTIO_SST=$value" && tree_make prepare modules_prepare >/dev/null 2>&1 &&
			tree_make W=1 C=$sparse CHECK="sparse -include $top/scripts/lib/sparse.h" \
				drivers/virtio/ 2>&1 | sed '/\/vdso\//d' || return
	done
}

# Builds the driver in a random configuration of the machine $1, from the seed $2.
# What it needs is on; of what is optional for it, every other option is off.
build_random() {
	local arch=$1 option random=$2
	mkdir -p "$work/build-$arch"
	{
		printf 'CONFIG_%s\n' MODULES=y VIRTIO_MENU=y VIRTIO_SST=m WERROR=n KUNIT=m VIRTIO_SST_KUNIT_TEST=m
		for option in $optional; do
			[ $((random & 1)) = 1 ] || echo "CONFIG_$option=n"
			random=$((random >> 1))
		done
	} >"$work/build-$arch/fragment"
	tree_make KCONFIG_ALLCONFIG="$work/build-$arch/fragment" KCONFIG_SEED="$2" randconfig >/dev/null 2>&1 &&
		grep -q '^CONFIG_VIRTIO_SST=[my]' "$work/build-$arch/.config" &&
		tree_make prepare modules_prepare >/dev/null 2>&1 && tree_make W=1 drivers/virtio/
}

# Builds the module outside of the kernel's tree for the machine $1 and a kernel without
# it; what follows is given to make.
build_outside() {
	local arch=$1
	shift
	rm -rf "$work/outside" "$work/build-$arch"
	copy_module "$work/outside"
	configure "$arch" '' && tree_make "$@" olddefconfig >/dev/null &&
		tree_make "$@" prepare modules_prepare >/dev/null 2>&1 &&
		env -u MAKEFLAGS -u MFLAGS -u MAKELEVEL make -s -C "$work/outside" KDIR="$tree" \
			O="$work/build-$arch" ARCH="$arch" KBUILD_MODPOST_WARN=1 "$@" >"$work/outside.log" 2>&1 &&
		[ -s "$work/outside/virtio-sst.ko" ] && return
	cat "$work/outside.log"
	return 1
}

# Builds the selftests as a kernel developer does.
build_kselftests() {
	local arch=x86_64
	tree_make headers >/dev/null &&
		make -s -C "$tree/tools/testing/selftests/drivers/virtio_sst" OUTPUT="$work" \
			KHDR_INCLUDES="-isystem $work/build-$arch/usr/include" | sed '/^  CC /d'
}

# Renders the pages of the kernel that have ours, and prints what is said of ours.
render_htmldocs() {
	local arch=x86_64
	tree_make SPHINXDIRS='userspace-api driver-api/virtio' htmldocs 2>&1 | grep -i 'sst' || true
	[ -e "$work/build-$arch/Documentation/output/userspace-api/virtio_sst.html" ] || echo "no page was made"
}

suite_patches-all() {
	local arch seed llvm
	llvm=$(apt-cache pkgnames clang- | sed -n 's/^clang-\([0-9]*\)$/\1/p' | sort -n | tail -n 1)
	need_packages "clang-$llvm" "lld-$llvm" "llvm-$llvm" git perl sparse libelf-dev libssl-dev bc flex bison rsync python3-sphinx python3-yaml \
		gcc-s390x-linux-gnu gcc-aarch64-linux-gnu gcc-riscv64-linux-gnu
	start_tap
	patch_tests all
	tree=$work/linux
	for arch in x86_64 arm64 riscv s390; do
		test_that "$arch: builds as a module and built in, with sparse" silent build_both "$arch"
	done
	test_that "riscv: the module outside of the tree" build_outside riscv CROSS_COMPILE=riscv64-linux-gnu-
	test_that "LLVM=-$llvm: the module outside of the tree" build_outside x86_64 LLVM="-$llvm"
	for ((seed = 1; seed <= 16; seed++)); do
		test_that "a random configuration, seed $((seed * 4099))" silent build_random x86_64 $((seed * 4099))
	done
	test_that "the selftests build in the kernel's tree" silent build_kselftests
	test_that "make htmldocs" silent render_htmldocs
	end_tap
}
