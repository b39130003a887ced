// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: the tracepoints' own code.
 */

#define CREATE_TRACE_POINTS
#include "virtio_sst_trace.h"
