# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Attacks of a hostile front-end, and of a hostile guest behind it, on the back-end: fuzzers
# send messages and write guest memory, and the address sanitizer tells what they break.
# shellcheck disable=SC2154 # variables of scripts/trust

readonly fuzzers="messages rings options"

# Parts of five that each of them gets: the command line is soon known
readonly -A fuzz_parts=([messages]=2 [rings]=2 [options]=1)
readonly fuzz_build=$top/tools/virtio/sst/build-fuzz/fuzz

# From this many seconds on, an attack goes on with what earlier ones have found. To run all of
# that takes a while.
readonly fuzz_long=120

# Builds the fuzzers. Debian's clang of any version brings what they need with these two.
build_fuzzers() {
	need_packages clang libclang-rt-dev
	make -s -C "$top/tools/virtio/sst" fuzzers >&2
}

# Runs fuzzer $1 for $2 seconds. What makes it fail is kept.
fuzz() {
	local name=$1 corpus=$place/corpus-$1 dictionary=()
	[ ! -e "$top/tools/virtio/sst/tests/fuzz/$name.dict" ] ||
		dictionary=(-dict="$top/tools/virtio/sst/tests/fuzz/$name.dict")
	[ "$seconds" -lt "$fuzz_long" ] || corpus=$cache/trust/corpus-$name
	"$top/tools/virtio/sst/tests/fuzz/seeds.py" "$name" "$place/seeds-$name" &&
		mkdir -p "$corpus" || return
	# All but the sanitizers' reports and the fuzzer's own lines goes nowhere (close_fd_mask).
	ASAN_OPTIONS=quarantine_size_mb=16 "$fuzz_build/$name" -seed="$seed" -max_total_time="$2" \
		-timeout=10 -rss_limit_mb=1024 -max_len=2048 -close_fd_mask=3 -print_final_stats=1 \
		-artifact_prefix="$out/back-end-$name-$seed-" "${dictionary[@]}" \
		"$corpus" "$place/seeds-$name" >"$place/$name.log" 2>&1 && return
	grep -E -A 20 'ERROR:|runtime error|SUMMARY:' "$place/$name.log"
	echo "to replay it: make -C $top/tools/virtio/sst fuzzers, then"
	echo "$fuzz_build/$name" "$out/back-end-$name-$seed-"*
	return 1
}

# Prints the figures of fuzzer $1.
fuzz_figures() {
	sed -nE "s/^stat::number_of_executed_units: +/# figure: inputs ($1) /p" "$place/$1.log"
	sed -nE "s/.*(DONE|NEW|REDUCE|INITED) +cov: ([0-9]+) ft: ([0-9]+).*/# figure: edges covered ($1) \2\n# figure: features ($1) \3/p" \
		"$place/$1.log" | tail -n 2
}

# shellcheck disable=SC2034 # read by scripts/trust
share_back_end=2

attack_back-end() {
	local name part
	build_fuzzers
	start_tap
	for name in $fuzzers; do
		part=${fuzz_parts[$name]}
		test_that "fuzzer $name, seed $seed" fuzz "$name" "$((seconds * part / 5 + 1))"
		fuzz_figures "$name"
	done
	end_tap
}
