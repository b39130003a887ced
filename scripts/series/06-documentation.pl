# SPDX-License-Identifier: GPL-2.0-only
files(qw(
	Documentation/driver-api/virtio/virtio_sst.rst
	Documentation/userspace-api/virtio_sst.rst
));
