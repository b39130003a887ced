/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What sparse 0.6.4 lacks for the headers of Linux 7.3. Without the first, the
 * kernel's make leaves sparse out; without the second, sparse stops at the first
 * MODULE_INFO() and checks nothing after it.
 */
#define __typeof_unqual__ __typeof__
#define __builtin_strlen(s) (sizeof(s) - 1)
