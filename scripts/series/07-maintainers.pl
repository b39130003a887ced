# SPDX-License-Identifier: GPL-2.0-only
files('MAINTAINERS.snippet');
