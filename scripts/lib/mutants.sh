# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Mutants: faults that are put into a copy of the tree to see that an attack, or a suite
# of scripts/check, finds them. Each is a patch in scripts/lib/mutants, after comments that say
# what is wrong and what finds it: "Caught-by: ATTACK", or "Caught-by: suite SUITE".
# shellcheck disable=SC2154 # variables of those who read this file

readonly mutants=$top/scripts/lib/mutants

mutant_names() {
	basename -a -s .patch "$mutants"/*.patch
}

# What is to catch mutant $1
caught_by() {
	sed -n 's/^\(# \)\?Caught[- ]by: //p' "$mutants/$1.patch"
}

# Applies mutant $2 to the tree in the folder $1; what follows are options. In a repository of
# somebody else's around the folder, git would apply nothing.
apply_mutant() {
	GIT_CEILING_DIRECTORIES=$(dirname "$1") git -C "$1" apply "${@:3}" "$mutants/$2.patch"
}

# Succeeds if mutant $1 can be put into the tree, and says what catches it.
mutant_is_valid() {
	apply_mutant "$top" "$1" --check && [[ $(caught_by "$1") =~ ^(suite\ )?[a-z0-9.-]+$ ]]
}

# Makes the folder $1 a copy of the tree with mutant $2 in it.
copy_mutant() {
	mkdir "$1"
	tar -C "$top" --exclude=./.git -cf - . | tar -C "$1" -xf -
	apply_mutant "$1" "$2"
}

# Runs what is to catch the mutant in the folder $1; the rest is what the mutant is caught by.
run_on_mutant() {
	local copy=$1
	shift
	if [ "$1" = suite ]; then
		"$copy/scripts/check" "$2"
	else
		"$copy/scripts/trust" --minutes "$minutes" --seed "$seed" --out "$copy/results" "$1"
	fi
}

# Succeeds if mutant $1 is found, and says after how long and by which tests. What can't be
# built is not found.
mutant_is_caught() {
	local copy=$work/mutant status=0 start by
	by=$(caught_by "$1")
	rm -rf "$copy"
	copy_mutant "$copy" "$1" && make -s -C "$copy" tools >&2 &&
		make -s -C "$copy" KDIR="$build" ARCH=um >&2 || return
	start=$SECONDS
	# shellcheck disable=SC2086 # one word or two
	run_on_mutant "$copy" $by >"$copy/output" 2>&1 || status=$?
	took="$((SECONDS - start)) s"
	[ "$status" = 1 ] && sed -n 's/^not ok /# &/p' "$copy/output" | grep . && return
	tail -n 20 "$copy/output" >&2
	return 1
}

# The tests of scripts/trust --mutants: each of $chosen_mutants has to be caught.
attack_mutants() {
	local name number=0 took
	need_packages git
	for name in $chosen_mutants; do
		number=$((number + 1)) took='no time'
		if mutant_is_caught "$name"; then
			echo "ok $number $name: caught by $(caught_by "$name") after $took"
			echo "# figure: mutants caught 1"
		else
			echo "not ok $number $name: not caught by $(caught_by "$name") in $took"
		fi
	done
	echo "1..$number"
}
