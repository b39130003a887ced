# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Suite of scripts/check: sstctl on devices, its manual pages, and the examples. It uses
# check's test_that and guest.
# shellcheck disable=SC2154 # variables of scripts/check

# Devices for sstctl_test.py: one that does all, one that answers nothing, or with
# something else than OK, and one that answers in any order and changes what it echoes
readonly sstctl_backends=(
	--backend '--device-id 7 --queues 2 --events 1,10'
	--backend '--device-id 8 --answer 1=never --answer 2=status:5 --answer 3=never --answer 6=never --answer 7=status:17'
	--backend '--device-id 9 --answer 1=fill:7 --latency 0,2000'
)

# Runs the tests of the program $1 in a guest that the command that follows starts. The
# sanitizer need not keep much of what was freed.
sstctl_tests() {
	local tools=$top/tools/virtio/sst program=$1
	shift
	ASAN_OPTIONS=quarantine_size_mb=4 "$@" --timeout 900 "${sstctl_backends[@]}" -- \
		"$tools/tests/sstctl_test.py" "$tools/$program" "$tools/sstctl/sstctl.schema.json"
}

# Builds the examples as their users do, and runs them.
examples() {
	local name
	mkdir "$work/examples"
	cp "$top"/tools/virtio/sst/examples/*.py "$work/examples"
	for name in compute events; do
		cc -Wall -Wextra -Werror -I "$top/include/uapi" -o "$work/examples/$name" \
			"$top/tools/virtio/sst/examples/$name.c"
	done
	guest --kasan --backend "--events 10" -- "$top/tools/virtio/sst/tests/examples.sh" "$work/examples"
}

# Succeeds if the manual page $1 has all words of standard input, which are some: those of
# commands and options where these are described.
page_has() {
	local page word pattern n=0
	page=$(<"$1")
	while read -r word; do
		case $word in
		--*) pattern="\\bFl Fl ${word#--}\\b" ;;
		[a-z]*) pattern="^\\.It Cm $word\\b" ;;
		*) pattern="\\b$word\\b" ;;
		esac
		grep -qE -e "$pattern" <<<"$page" || { echo "no $word"; return 1; }
		n=$((n + 1))
	done
	[ "$n" -gt 5 ]
}

commands_and_options() {
	local sstctl=$top/tools/virtio/sst/sstctl/sstctl command
	"$sstctl" --help | sed -n '/^Commands:/,/^$/s/^  \([a-z]*\) .*/\1/p' | while read -r command; do
		echo "$command"
		"$sstctl" "$command" --help | grep -o -e '--[a-z]*'
	done
}

manual_pages() {
	local tools=$top/tools/virtio/sst
	test_that "mandoc has no warning about the manual pages" silent \
		mandoc -T lint -W warning "$tools/sst.4" "$tools/sstctl/sstctl.1" "$tools/vhost-user-sst.1"
	test_that "sstctl(1) has all commands and options" page_has "$tools/sstctl/sstctl.1" \
		< <(commands_and_options | sort -u)
	test_that "sst(4) has all ioctls" page_has "$tools/sst.4" \
		< <(grep -o '\bSST_IOCTL_[A-Z_]*' "$top/include/uapi/linux/virtio_sst.h" | grep -v _TYPE | sort -u)
}

# On a machine, without sanitizers, which take long there
suite_qemu-sstctl() {
	sstctl_tests sstctl/sstctl machine --machine q35 --queues 2
}

suite_sstctl() {
	need_packages python3-jsonschema bash-completion mandoc bsdextrautils
	start_tap
	manual_pages
	end_tap
	"$top/tools/virtio/sst/tests/sstctl_completion.sh" "$top/tools/virtio/sst/sstctl"
	make -s -C "$top/tools/virtio/sst" sanitized-sstctl >&2
	sstctl_tests build-memory/sstctl/sstctl guest --kasan
	examples
}
