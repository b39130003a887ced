# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# Installs the Debian packages that a script needs.

# shellcheck source=common.sh
. "${BASH_SOURCE[0]%/*}/common.sh"

# Prints those of the given packages that are not installed.
missing_packages() {
	local package
	for package; do
		dpkg-query -W -f '${db:Status-Status}\n' "$package" 2>/dev/null |
			grep -qx installed || printf '%s ' "$package"
	done
}

# Runs a command as root, through sudo when need be.
as_root() {
	if [ "$(id -u)" = 0 ]; then
		"$@"
	else
		command -v sudo >/dev/null && sudo "$@"
	fi
}

# Installs the given packages, after who else is installing some; fails when apt
# cannot.
apt_install() {
	as_root env DEBIAN_FRONTEND=noninteractive apt-get -qy -o DPkg::Lock::Timeout=600 \
		install --no-install-recommends "$@" </dev/null >&2
}

# Installs those of the given packages that are missing, with fresh package
# lists if the machine's own are absent or too old to download from.
need_packages() {
	local missing
	missing=$(missing_packages "$@")
	[ -n "$missing" ] || return 0
	command -v apt-get >/dev/null || die "these are missing, install them first: $missing"
	say "installing with apt: $missing"
	# shellcheck disable=SC2086 # a list of words
	if apt_install $missing || { as_root apt-get -q update >&2 && apt_install $missing; }; then
		return
	fi
	die "packages are missing; as root: apt-get install --no-install-recommends $missing"
}
