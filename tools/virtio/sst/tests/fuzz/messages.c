// SPDX-License-Identifier: GPL-2.0-only
/* Fuzzes the parser and the state machine of the messages of a front-end. */

#include "script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct script s = { .in = { data, size } };

	s.t = target_start(take8(&s.in));
	while (s.in.left)
		script_message(&s);
	script_run(&s);
	target_end(s.t);
	return 0;
}
