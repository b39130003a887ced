# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What the scripts that run tests have in common: TAP, the selftests, and guests that they
# run in. A script that reads this file calls prepare_tests first, and sets $suite to a name for
# the guests' logs.

# shellcheck source=kernel.sh
. "${BASH_SOURCE[0]%/*}/kernel.sh"

readonly selftests=$top/tools/testing/selftests/drivers/virtio_sst

# What these are linked with, as far as each of them needs it
readonly selftest_libraries=('-Wl,--as-needed' -luring -lmnl)

# Has all that tests need, and makes the folder $work, which goes with the script.
prepare_tests() {
	need_packages perl sparse shellcheck python3 python3-docutils python3-sphinx python3-yaml \
		liburing-dev libmnl-dev libjson-c-dev pkgconf gcc g++ libc6-dev make libasan8 libubsan1 kmod
	source=$(kernel_source 7.3)
	build=$(kernel_build 7.3 kasan)
	work=$(mktemp -d "/tmp/$program.XXXXXX")
	trap end_tests EXIT
	trap 'exit 130' INT TERM HUP
	make -s -C "$top" tools >&2
}

# Ends what is still running, and removes what tests leave.
# shellcheck disable=SC2317 # called by the trap
end_tests() {
	local job
	trap '' INT TERM HUP
	for job in $(jobs -p); do
		kill -TERM -- "-$job" 2>/dev/null || true
	done
	wait
	rm -rf "$work"
}

# Starts a TAP listing; test_that() adds to it, end_tap() ends it.
start_tap() {
	tap_number=0
}

end_tap() {
	echo "1..$tap_number"
}

# One test: $1 is its name, the rest a command whose output tells what failed. Of one that
# does not fail, it is the figures that are printed.
# With set -e off in the command, as in any condition: its status must tell.
test_that() {
	local name=$1 output
	shift
	tap_number=$((tap_number + 1))
	if output=$("$@" 2>&1); then
		grep '^# figure: ' <<<"$output" || true
		echo "ok $tap_number $name"
	else
		echo "not ok $tap_number $name"
		printf '%s\n' "$output" | head -n 80 | sed 's/^/# /'
	fi
}

# Succeeds if the command succeeds and prints nothing.
silent() {
	local output
	output=$("$@" 2>&1) && [ -z "$output" ] && return
	printf '%s\n' "$output"
	return 1
}

# Prints the source files of the selftest $1: itself, and its parts.
test_sources() {
	echo "$1"
	[ ! -d "${1%.c}-parts" ] || find "${1%.c}-parts" -name '*.c'
}

# Builds the selftests into the folder of this run.
build_selftests() {
	local test
	(
		flock 9
		[ ! -e "$work/selftests" ] || exit 0
		mkdir "$work/selftests"
		cp "$selftests"/*.sh "$selftests"/*.py "$selftests/backend-options" "$work/selftests"
		for test in "$selftests"/*.c; do
			# shellcheck disable=SC2046 # a list of words
			build_selftest cc $(test_sources "$test") -o "$work/selftests/$(basename "$test" .c)" "${selftest_libraries[@]}"
		done
	) 9>"$work/lock-selftests"
}

# Compiles a selftest: build_selftest COMPILER ARGUMENT...
build_selftest() {
	"$@" -O2 -g -Wall -Wextra -Wno-sign-compare -Werror \
		-I "$source/tools/testing/selftests" -I "$top/include/uapi"
}

# Runs a command in a guest: guest UML-RUN-OPTION... -- COMMAND... If $gcov is a folder,
# what gcov counts is added to it, of guests that can have that.
guest() {
	local counted=()
	[ -z "${gcov-}" ] || [[ " ${*%% -- *}" != *' --kasan '* || " $* " == *' --kernel '* ]] || counted=(--gcov "$gcov")
	"$top/scripts/uml-run" --log "$work/guest-$suite.log" "${counted[@]}" "$@"
}

# Runs a command in a QEMU machine: machine QEMU-RUN-OPTION... -- COMMAND...
machine() {
	"$top/scripts/qemu-run" --log "$work/guest-$suite.log" "$@"
}

# Runs selftests, each with its arguments one word, in a guest with the options $1 and
# the back-end's options $2. All are run, whatever the first ones say. The time
# limit is $timeout if that is set, the guest is started by $in.
driver_tests() {
	local variant=$1 backend=$2 limit=1200
	shift 2
	[ "$variant" != --lockdep ] || limit=2400
	build_selftests
	# shellcheck disable=SC2016,SC2086 # the guest expands it; a list of words
	${in:-guest} $variant --timeout "${timeout:-$limit}" \
		--backend "$backend $(<"$selftests/backend-options")" -- \
		sh -c 'cd "$0" || exit; for test; do ./$test || status=1; done; exit ${status:-0}' \
		"$work/selftests" "$@"
}

# Counts the TAP lines of a suite ($1 its name, $2 its exit status), prints them
# with its name, and writes how many passed and failed into the file $3. A skipped test, a plan that was not
# kept, no test, or a status that no test explains is a failure.
account() {
	awk -v suite="$1" -v status="$2" -v count="$3" '
		function fail(what) { print "not ok " suite ": " what; failed++ }
		/^TAP version|^KTAP version/ { next }
		/^1\.\.[0-9]+/ { planned += substr($1, 4); next }
		/^ *(not )?ok [0-9]+/ {
			top = /^[no]/
			good = !/^ *not ok/ && !/# SKIP/
			sub(/^ *(not )?ok [0-9]+ *(- )?/, "")
			print (good ? "ok " : "not ok ") suite ": " $0
			good ? passed++ : failed++
			seen += top
			next
		}
		/^#  RUN|^# +OK/ { next }
		{ print }
		END {
			if (planned && seen != planned)
				fail("the plan is " planned " tests, " seen " were seen")
			if (!passed && !failed)
				fail("no test was run")
			if (status != 0 && !failed)
				fail("ended with status " status)
			print passed + 0, failed + 0 > count
		}'
}
