#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Completes command lines of vhost-user-sst as bash does: vhost_user_sst_completion.sh FOLDER, the
# one with the program. Succeeds if all options that it has are known, and which of them have an
# argument.
set -u
PATH=$1:$PATH COMP_WORDBREAKS=$' \t\n:='
# shellcheck source=/dev/null
. /usr/share/bash-completion/bash_completion
# shellcheck source=../completions/vhost-user-sst
. "$(dirname "$0")/../completions/vhost-user-sst"

# Succeeds if the words $2..., the last one of which is not complete, are completed to what
# the pattern $1 tells. A colon ends a word for bash.
completes() {
	local expected=$1
	shift
	COMP_LINE="vhost-user-sst $*" COMP_POINT=${#COMP_LINE} COMPREPLY=()
	COMP_WORDS=(vhost-user-sst "$@")
	[[ ${!#} != *:* ]] || COMP_WORDS=(vhost-user-sst "${@:1:$#-1}" "${!#%%:*}" : "${!##*:}")
	COMP_CWORD=$((${#COMP_WORDS[@]} - 1))
	_vhost_user_sst vhost-user-sst "${COMP_WORDS[COMP_CWORD]}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
	# shellcheck disable=SC2053 # a pattern
	[[ ${COMPREPLY[*]} == $expected ]] || { echo "$COMP_LINE: ${COMPREPLY[*]}" && exit 1; }
}

n=0
while read -r option argument; do
	completes "*$option*" "${option%?}"
	# Of those with an argument none can be followed by another option.
	if [ -n "$argument" ]; then
		completes '' "$option" --
	else
		completes '*--socket*' "$option" --
	fi
	n=$((n + 1))
done < <(vhost-user-sst --help | sed -n 's/^  \(--[a-z-]* \?[^ ]*\)  .*/\1/p')
completes '--connect' --conn
completes 'unix: tcp:' --connect ''
completes '*/etc/passwd*' --listen unix:/etc/passw
completes '/etc/hostname' --config /etc/hostn
completes queue --on-disconnect q
[ "$n" -gt 20 ]
