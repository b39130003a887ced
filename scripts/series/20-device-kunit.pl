# SPDX-License-Identifier: GPL-2.0-only
files('drivers/virtio/tests/virtio_sst_device_kunit.c');
lines('drivers/virtio/Makefile', 'CONFIG_VIRTIO_SST_DEVICE_KUNIT_TEST');
config('drivers/virtio/Kconfig', 'VIRTIO_SST_DEVICE_KUNIT_TEST');
