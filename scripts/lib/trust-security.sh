# SPDX-License-Identifier: GPL-2.0-only
# shellcheck shell=bash
#
# The attack "security" of scripts/trust: who may do what, and what leaks.
# shellcheck disable=SC2154 # the attack's variables

# Runs the test of permissions, leaks and charged memory as often as there is time for.
attack_security() {
	local end=$((SECONDS + seconds))
	driver_tests --kasan "--events 5" security_test
	while [ "$SECONDS" -lt "$end" ]; do
		driver_tests --kasan "--events 5" security_test
	done
}
