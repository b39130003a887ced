# SPDX-License-Identifier: GPL-2.0-only
files(qw(
	drivers/virtio/Kconfig
	drivers/virtio/Makefile
	drivers/virtio/virtio_sst.c
	drivers/virtio/virtio_sst_events.c
	drivers/virtio/virtio_sst_internal.h
	drivers/virtio/virtio_sst_queue.c
));
