# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# How a command is run in a guest, whatever the guest is: options, module,
# back-ends, orders for the guest's init, time limit, log and exit status.
#
# A script that reads this file sets $own_flags and $own_options and has the
# functions
#   usage           prints what it accepts
#   set_own_flag    takes one of its flags
#   set_own_option  takes the value $2 of one of its options $1
#   provide_kernel  fetches or builds the kernel, and sets $build to the folder
#                   that keeps the module's builds for it
#   make_modules    builds the modules in $1, a copy of the sources inside $build, with
#                   $floor and $instrument as arguments of make;
#                   not called if provide_kernel has set $built_module to the file
#                   of a module that was built already
#   start_guest     starts the guest with start(), its log going to $run/log and
#                   the command's output to the pipes $run/stdout and $run/stderr,
#                   and sets $control to the socket through which it is controlled
# and then calls run_in_guest.
# shellcheck disable=SC2034 # some of the options' values are only the scripts'

# shellcheck source=kernel.sh
. "${BASH_SOURCE[0]%/*}/kernel.sh"

readonly did_not_come_up=122 has_report=123 timed_out=124

# What in the guest's log makes a run fail, and, of that, what doesn't.
report_pattern='WARNING: |BUG: |UBSAN: |Oops|Kernel panic|kernel BUG at|unreferenced object'
report_pattern+='|ODEBUG: |INFO: task .* blocked for more than'
report_pattern+='|INFO: trying to register non-static key|rcu: INFO: .*(stall|self-detected)'
report_pattern+='|DEBUG_LOCKS_WARN_ON|general protection'
allowed_pattern='^$'

cpus=2 mem=512M pin='' virtio_id=4162 load_module=yes module_args='' timeout=300 log=''
built_module='' instrument='' gcov='' backends=() backend_needs='' floor='' beside='' control='' guest_options=() sockets=() jobs=()
build='' building='' output=''
own_flags='' own_options=''
readonly common_options='--cpus --mem --backend --socket --guest-option --virtio-id --module-args --timeout --log --beside'
readonly with_script='setpriv --pdeathsig KILL --'

parse_options() {
	while [ $# -gt 0 ]; do
		case $1 in
		--no-module) load_module= ;;
		--floor) floor=CONFIG_VIRTIO_SST_FLOOR=m ;;
		-h | --help) usage && exit ;;
		--) shift && break ;;
		*)
			if [[ " $own_flags " == *" $1 "* ]]; then
				set_own_flag "$1"
			elif [[ " $common_options $own_options " == *" $1 "* ]]; then
				[ $# -gt 1 ] || wrong_usage "$1 needs a value"
				set_option "$1" "$2"
				shift
			else
				wrong_usage "unknown option $1; accepted: $own_options $own_flags $common_options" \
					"--no-module --floor --help, then -- COMMAND"
			fi
			;;
		esac
		shift
	done
	[ $# -gt 0 ] || wrong_usage "no command given; usage: $program [OPTION]... -- COMMAND [ARGUMENT]..."
	command=("$@")
}

# Succeeds if a socket of the file name of $1 is listened on. A connection would
# tell for sure, but some back-ends serve only one.
listens() {
	[ -S "$1" ] && awk -v name="${1##*/}" '
		$4 == "00010000" {
			file = $0
			for (i = 0; i < 7; i++)
				sub(/^[^ ]+ +/, "", file)
			sub(/.*\//, "", file)
			found += file == name
		}
		END { exit !found }' /proc/net/unix
}

# Takes the value $2 of the option $1.
set_option() {
	case $1 in
	--backend) backends+=("$2") ;;
	--socket)
		listens "$2" || wrong_usage "--socket $2: nobody listens there"
		sockets+=("$(realpath -- "$2")")
		;;
	--guest-option) guest_options+=("$2") ;;
	--module-args) module_args=$2 ;;
	--mem) mem=$2 ;;
	--beside) beside=$2 ;;
	--log) log=$2 ;;
	--cpus | --virtio-id | --timeout)
		[[ $2 =~ ^[1-9][0-9]*$ ]] || wrong_usage "$1 takes a decimal number"
		case $1 in
		--cpus) cpus=$2 ;;
		--virtio-id) virtio_id=$2 ;;
		--timeout) timeout=$2 ;;
		esac
		;;
	*) set_own_option "$1" "$2" ;;
	esac
}

# Takes --kernel, an option of all that use it.
set_kernel() {
	[[ " $kernels " == *" $1 "* ]] || wrong_usage "--kernel takes one of: $kernels"
	kernel=$1
}

# Starts a command as a process group of its own, to be ended with the script. One
# with $with_script in front of it ends even when the script is killed.
start() {
	set -m
	"$@" </dev/null &
	set +m
	jobs+=($!)
}

# Ends all that was started and removes what a run leaves. A build gets SIGTERM,
# so that it leaves no half of a file.
# shellcheck disable=SC2317 # called by the trap
clean_up() {
	local job
	trap '' INT TERM HUP
	if [ -n "$building" ]; then
		kill -TERM -- "-$building" 2>/dev/null || true
		wait "$building" 2>/dev/null || true
	fi
	for job in "${jobs[@]}"; do
		kill -KILL -- "-$job" 2>/dev/null || true
	done
	# shellcheck disable=SC2086 # a list of words
	[ -z "$output" ] || kill -KILL $output 2>/dev/null || true
	wait 2>/dev/null
	rm -rf "$run"
}

# Prints what of the folder $1 the modules are built from, NUL-terminated.
module_sources() {
	(cd "$1" && find . -regextype egrep ! -name '*.mod.c' \
		-regex '\./(Makefile|(drivers|include|dkms|tools/virtio/sst/bench/floor)/(.*\.[ch]|(.*/)?(Makefile|Kbuild)))' -print0)
}

# Builds the modules from a copy of the sources, so that each kernel and each
# source folder has its own, and copies them into the folder of the run.
build_module() {
	local work
	work=$build/module-$(echo "$top$instrument" | short_hash)
	mkdir -p "$work" "$run/modules"
	(
		flock 9
		module_sources "$work" | (cd "$work" && xargs -0r rm)
		module_sources "$top" | (cd "$top" && xargs -0 cp -p --parents -t "$work")
		make_modules "$work" >&2 || die "the module does not build"
		find "$work" -name '*.ko' -exec cp {} "$run/modules" \;
		[ -z "$gcov" ] || take_gcov_notes "$work"
	) 9>"$build/lock-module"
}

# Puts the compiler's notes of the build $1 where the guest is to put gcov's counters:
# gcov wants them side by side. The path is the one that the module has in it.
take_gcov_notes() {
	mkdir "$run/gcov"
	(cd / && find "$1" -name '*.gcno' -exec cp --parents -t "$run/gcov" {} +)
}

# Keeps what gcov has counted where the caller wants it.
keep_gcov() {
	mkdir -p "$gcov"
	mv "$run/gcov" "$gcov/${run##*.}"
}

# Starts a back-end with the arguments $2 on the socket $1.
start_backend() {
	local output=$run/backend-${#sockets[@]}
	# shellcheck disable=SC2086 # lists of words
	start $with_script ${pin:+taskset -c 1} "$top/tools/virtio/sst/vhost-user-sst" --socket "$1" $2 >"$output" 2>&1
	sockets+=("$1")
	for ((i = 0; i < 100; i++)); do
		! grep -q 'listening on' "$output" || return 0
		kill -0 "${jobs[-1]}" 2>/dev/null || break
		sleep 0.05
	done
	die "the back-end did not start: $(tail -n 1 "$output")"
}

build_backend() {
	need_packages libjson-c-dev pkgconf
	(flock 9 && make -s -C "$top/tools/virtio/sst" vhost-user-sst >&2) 9>"$cache/lock-tools" || die "the back-end does not build"
}

# Builds what the guest needs, in the background: a signal to the script is only
# handled at once while it waits.
build() {
	set -m
	build_everything </dev/null &
	set +m
	building=$!
	wait "$building"
	building=
}

# Puts the module that was built already, maybe compressed, into the folder of the run.
take_module() {
	mkdir -p "$run/modules"
	case $built_module in
	*.xz) xz -dc "$built_module" >"$run/modules/virtio-sst.ko" ;;
	*) cp "$built_module" "$run/modules/virtio-sst.ko" ;;
	esac
}

build_everything() {
	if [ -n "$built_module" ]; then take_module; else build_module; fi
	[ ${#backends[@]} -eq 0 ] || build_backend
}

start_backends() {
	local arguments
	for arguments in "${backends[@]}"; do
		start_backend "$run/socket-${#sockets[@]}" "$arguments $backend_needs"
	done
}

# Writes what the guest's init reads: the environment, and what it has to do.
write_orders() {
	local SST_MODULE_DIR=$run/modules SST_MODULE=$run/modules/virtio-sst.ko
	local SST_MODULE_ARGS=$module_args SST_KERNEL_BUILD=$build
	export SST_MODULE_DIR SST_MODULE SST_MODULE_ARGS SST_KERNEL_BUILD
	export -p >"$run/environment"
	{
		printf 'folder=%q\n' "$PWD"
		printf 'command=('
		printf '%q ' "${command[@]}"
		printf ')\ndevices=%d load_module=%q\n' ${#sockets[@]} "$load_module"
	} >"$run/orders"
}

# Boots the guest and waits for its end, or that of its time. Its command's output
# comes through two pipes.
# shellcheck disable=SC2086 # lists of words
boot() {
	local clock
	mkfifo "$run/stdout" "$run/stderr"
	cat "$run/stdout" &
	output=$!
	cat "$run/stderr" >&2 &
	output+=" $!"
	start_guest
	guest=${jobs[-1]}
	[ -z "$beside" ] || start $with_script env SST_CONTROL="$control" bash -c "$beside" >"$run/beside" 2>&1
	start $with_script sleep "$timeout"
	clock=${jobs[-1]}
	wait -n -p ended "$guest" "$clock" 2>/dev/null || true
	kill -KILL -- "-$guest" "-$clock" 2>/dev/null || true
	wait $output "$guest" "$clock" 2>/dev/null || true
	output=
}

# Puts together all that a run has to tell, in the log.
gather_log() {
	local output
	[ ! -s "$run/kmemleak" ] || cat "$run/kmemleak" >>"$run/log"
	for output in "$run"/backend-* "$run/beside"; do
		[ ! -s "$output" ] || sed "s/^/${output##*/}: /" "$output" >>"$run/log"
	done
}

# Prints the number of the log's first line that makes the run fail, if any.
# What the kernel does before it starts init is none of ours; one that ends
# there has not come up.
first_report() {
	awk -v report="$report_pattern" -v allowed="$allowed_pattern" \
		'/ as init process\r?$/ { ours = 1 }
		ours && $0 ~ report && $0 !~ allowed { print NR; exit }' "$run/log"
}

# Says how the run ended and sets its exit status.
judge() {
	local line
	line=$(first_report)
	if [ -n "$line" ]; then
		say "the guest's log has a report:"
		sed -n "$line,$((line + 60))p" "$run/log" >&2
		status=$has_report
	elif [ -s "$run/status" ]; then
		status=$(<"$run/status")
	elif [ "$ended" != "$guest" ]; then
		say "time is over after $timeout s; the guest's log ends with:"
		tail -n 20 "$run/log" >&2
		status=$timed_out
	else
		say "the guest $([ -e "$run/up" ] && echo 'went away' || echo 'did not come up'); its log ends with:"
		tail -n 20 "$run/log" >&2
		status=$did_not_come_up
	fi
}

# Keeps the log where the caller wants it, or, of a failed run, in the cache.
keep_log() {
	if [ -z "$log" ]; then
		[ "$status" != 0 ] || return 0
		mkdir -p "$cache/log"
		find "$cache/log" -type f -mtime +7 -delete
		log=$cache/log/${run##*/}.log
	fi
	cp "$run/log" "$log"
	[ "$status" = 0 ] || say "exit status $status; the guest's log is $log"
}

# The whole of it, with the script's arguments. Never returns.
run_in_guest() {
	parse_options "$@"
	provide_kernel
	run=$(mktemp -d "/tmp/$program.XXXXXX")
	trap clean_up EXIT
	trap 'exit 130' INT TERM HUP
	build
	start_backends
	write_orders
	boot
	gather_log
	[ -z "$gcov" ] || keep_gcov
	judge
	keep_log
	exit "$status"
}
