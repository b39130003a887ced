# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The attacks on what this project promises, each a function attack_NAME in trust-AREA.sh.
# It finds
#   seed      what its random choices start from
#   seconds   how long it shall take, about
#   place     an empty folder
#   out       a folder for what is to be kept, such as what made a program crash
# and all of tests.sh; it prints TAP, and its figures as lines of the form
# "# figure: NAME NUMBER".

# shellcheck source=tests.sh
. "${BASH_SOURCE[0]%/*}/tests.sh"

for file in "$top"/scripts/lib/trust-*.sh; do
	# shellcheck source=/dev/null
	. "$file"
done

# Prints the names of the attacks, in their order.
attacks() {
	declare -F | sed -n '/attack_mutants$/d; s/^declare -f attack_//p'
}

# Carries out the attack $1 for $2 seconds. The caller is a subshell for it.
# shellcheck disable=SC2034,SC2154 # the attacks' and the callers'
carry_out_attack() {
	suite=$1 seconds=$2 place=$work/$1
	mkdir -p "$place" "$out"
	"attack_$1"
}

# Prints the attacks $2 and so on, and how many of $1 seconds each of them gets; share_NAME
# says how many shares of the time that is, if not one.
share_time() {
	local total=$1 shares=0 name variable
	shift
	for name; do
		variable=share_${name//-/_}
		shares=$((shares + ${!variable-1}))
	done
	for name; do
		variable=share_${name//-/_}
		echo "$name $((total * ${!variable-1} / shares))"
	done
}
