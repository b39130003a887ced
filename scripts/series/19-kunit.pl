# SPDX-License-Identifier: GPL-2.0-only
files('drivers/virtio/tests/virtio_sst_kunit.c');
lines('drivers/virtio/Makefile', 'CONFIG_VIRTIO_SST_KUNIT_TEST');
lines('MAINTAINERS.snippet', 'drivers/virtio/tests/');
config('drivers/virtio/Kconfig', 'VIRTIO_SST_KUNIT_TEST');
