#!/bin/bash
# SPDX-License-Identifier: GPL-2.0-only
# Completes command lines of sstctl as bash does: sstctl_completion.sh FOLDER, the one with
# sstctl. Prints TAP.
set -u
PATH=$1:$PATH
# shellcheck source=/dev/null
. /usr/share/bash-completion/bash_completion
# shellcheck source=../completions/sstctl
. "$(dirname "$0")/../completions/sstctl"
n=0 failed=0

# Succeeds if the words $2..., the last one of which is not complete, are completed to what
# the pattern $1 tells.
completes() {
	local expected=$1
	shift
	COMP_WORDS=(sstctl "$@") COMP_CWORD=$#
	COMP_LINE="sstctl $*" COMP_POINT=${#COMP_LINE} COMPREPLY=()
	_sstctl sstctl "${!#}" "${COMP_WORDS[COMP_CWORD - 1]}" 2>/dev/null
	n=$((n + 1))
	# shellcheck disable=SC2053 # a pattern
	if [[ ${COMPREPLY[*]} == $expected ]]; then
		echo "ok $n $COMP_LINE"
	else
		echo "not ok $n $COMP_LINE"
		echo "# ${COMPREPLY[*]}"
		failed=1
	fi
}

completes 'list info ping echo compute read write configure reset events stats set' ''
completes ping p
completes 'read reset' re
completes '--json --device --help --version' --
completes 'ping' --json p
completes 'list info *' --device 1 ''
completes '--count --interval --size --timeout --quiet --json --device --help --version' ping --
completes '--size' ping --s
completes '--simulator' reset --s
completes '--queues' --json stats --q
completes '' ping --count ''
completes '' ping ''
completes 'request_timeout_ms busy_poll_us' set ''
completes 'busy_poll_us' set b
completes '*/etc/passwd*' write --file /etc/passw
echo "1..$n"
exit "$failed"
