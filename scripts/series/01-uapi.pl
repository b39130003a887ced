# SPDX-License-Identifier: GPL-2.0-only
files('include/uapi/linux/virtio_sst.h');
