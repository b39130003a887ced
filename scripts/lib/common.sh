# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# What every script here needs: where things are, and how to speak and to fail.
# shellcheck disable=SC2034 # the variables are the scripts' that read this file

set -eu -o pipefail
shopt -s inherit_errexit

program=${0##*/}
top=$(cd "${BASH_SOURCE[0]%/*}/../.." && pwd)
cache=${XDG_CACHE_HOME:-$HOME/.cache}/virtio-sst

# Says one line about what is going on.
say() {
	printf '%s: %s\n' "$program" "$*" >&2
}

# Ends the script: something that it needs cannot be had or built.
die() {
	say "$@"
	exit 121
}

# Ends the script: it was called in a wrong way.
wrong_usage() {
	say "$@"
	exit 2
}
