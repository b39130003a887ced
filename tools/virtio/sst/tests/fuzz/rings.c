// SPDX-License-Identifier: GPL-2.0-only
/* Fuzzes the walker of the rings: the guest's memory is the fuzzer's. */

#include "script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { .in = { data, size } };

	s.t = target_start(take8(&s.in));
	script_setup(&s);
	while (s.in.left)
		script_guest(&s);
	script_run(&s);
	target_end(s.t);
	return 0;
}
