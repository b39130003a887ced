# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Mutants: faults that are put into a copy of the tree to see that an attack, or a suite
# of scripts/check, finds them. Each is a patch in scripts/lib/mutants, after comments that say
# what is wrong and what finds it: "# Caught by: ATTACK", or "# Caught by: suite SUITE".
# shellcheck disable=SC2154 # variables of those who read this file

readonly mutants=$top/scripts/lib/mutants

mutant_names() {
	basename -a -s .patch "$mutants"/*.patch
}

# What is to catch mutant $1
caught_by() {
	sed -n 's/^# Caught by: //p' "$mutants/$1.patch"
}

# Applies mutant $2 to the tree in the folder $1; what follows are options. In a repository of
# somebody else's around the folder, git would apply nothing.
apply_mutant() {
	GIT_CEILING_DIRECTORIES=$(dirname "$1") git -C "$1" apply "${@:3}" "$mutants/$2.patch"
}

# Succeeds if mutant $1 can be put into the tree, and says which attack or suite catches it.
mutant_is_valid() {
	local by
	by=$(caught_by "$1")
	apply_mutant "$top" "$1" --check || return
	case $by in
	"suite "*) grep -q "^suite_${by#suite }() {" "$top"/scripts/check "$top"/scripts/lib/check-*.sh ;;
	*) attacks | grep -qxF -- "$by" ;;
	esac
}

# Succeeds if attack $1 is what catches a mutant.
has_mutant() {
	grep -qxF "# Caught by: $1" "$mutants"/*.patch
}

# Makes the folder $1 a copy of the tree, with mutant $2 in it if there is one, and builds it.
# All files are new: what was built of the last copy in this place must look older.
make_copy() {
	rm -rf "$1"
	mkdir "$1" && tar -C "$top" --exclude=./.git -cf - . | tar -C "$1" -mxf - || return
	[ -z "$2" ] || apply_mutant "$1" "$2" || return
	make -s -C "$1" tools >&2 && make -s -C "$1" KDIR="$build" ARCH=um >&2
}

# Runs the attack or suite in the words from $2 on in the copy $1, and says how long it took.
run_in_copy() {
	local copy=$1 status=0 start=$SECONDS
	shift
	if [ "$1" = suite ]; then
		"$copy/scripts/check" "$2"
	else
		"$copy/scripts/trust" --minutes "$minutes" --seed "$seed" --out "$copy/results" "$1"
	fi >"$copy/output" 2>&1 || status=$?
	took="$((SECONDS - start)) s"
	return "$status"
}

# Succeeds if what $1 names, an attack or a suite, passes where there is no fault.
passes_without_fault() {
	local copy=$work/mutant
	# shellcheck disable=SC2086 # one word or two
	make_copy "$copy" '' && run_in_copy "$copy" $1 && return
	tail -n 20 "$copy/output" >&2
	return 1
}

# Succeeds if mutant $1 is found, and says by which tests. What can't be built, or started in a
# guest, is not found.
mutant_is_caught() {
	local copy=$work/mutant status=0
	make_copy "$copy" "$1" || return
	# shellcheck disable=SC2046 # one word or two
	run_in_copy "$copy" $(caught_by "$1") || status=$?
	[ "$status" = 1 ] && ! grep -q 'exit status 12[12];' "$copy/output" &&
		sed -n 's/^not ok /# &/p' "$copy/output" | grep . && return
	tail -n 20 "$copy/output" >&2
	return 1
}

# Prints one TAP line: $1 is empty or "not ", the rest says what was seen.
mutant_result() {
	number=$((number + 1))
	echo "$1ok $number $2"
}

# The tests of scripts/trust --mutants: each of $chosen_mutants has to be caught, by something
# that finds no fault where there is none.
attack_mutants() {
	local name by number=0 took='no time' not
	need_packages git
	while read -r by; do
		not='not '
		if passes_without_fault "$by" </dev/null; then not=''; fi
		mutant_result "$not" "no fault: $by passes, in $took"
	done < <(for name in $chosen_mutants; do caught_by "$name"; done | sort -u)
	for name in $chosen_mutants; do
		by=$(caught_by "$name")
		if mutant_is_caught "$name"; then
			mutant_result '' "$name: caught by $by after $took"
			echo "# figure: mutants caught 1"
		else
			mutant_result 'not ' "$name: not caught by $by in $took"
		fi
	done
	echo "1..$number"
	# What uml-run has kept of the copy
	rm -rf "$cache"/build/*/module-"$(echo "$work/mutant" | short_hash)"
}
