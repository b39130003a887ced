/* SPDX-License-Identifier: GPL-2.0-only */
/* Where Linux 6.1 has what later kernels have in a header of this name. */
#include <linux/io_uring.h>
