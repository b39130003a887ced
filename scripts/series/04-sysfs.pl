# SPDX-License-Identifier: GPL-2.0-only
files(qw(
	Documentation/ABI/testing/sysfs-class-virtio-sst
	drivers/virtio/virtio_sst_sysfs.c
));
replace('drivers/virtio/Makefile', ' virtio_sst_sysfs.o', '');
lines('drivers/virtio/virtio_sst.c', 'groups = sst_groups');
lines('drivers/virtio/virtio_sst_internal.h', '^struct attribute_group;', 'sst_groups\[\]');
