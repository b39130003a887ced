# SPDX-License-Identifier: GPL-2.0-only
my ($core, $internal) = map { "drivers/virtio/$_" } qw(virtio_sst.c virtio_sst_internal.h);

files('drivers/virtio/virtio_sst_cdev.c');
replace('drivers/virtio/Makefile', ' virtio_sst_cdev.o', '');
replace($core, <<'OLD', '');
	/* Not before the device runs: a program may be quick to open it. */
	ret = sst_cdev_add(sst);
	if (ret)
		goto stop;

OLD
replace($core, "stop:\n\tsst_shut_down(sst);\n", '');
replace($core, <<'OLD', <<'NEW');
	int ret;

	ret = sst_add_ids();
	if (ret)
		return ret;

	ret = sst_cdev_init();
	if (ret)
		return ret;

	ret = register_virtio_driver(&sst_driver);
	if (ret)
		sst_cdev_exit();

	return ret;
OLD
	return sst_add_ids() ?: register_virtio_driver(&sst_driver);
NEW
lines($core, 'class = &sst_class', '\tsst_cdev_del\(sst\);', '\tsst_cdev_exit\(\);');
declarations($internal, qw(
	sst_how sst_fill sst_copy_batch sst_read sst_write sst_cdev_init sst_cdev_exit sst_cdev_add
	sst_cdev_del
));
replace($internal, "\nextern struct class sst_class;\n", '');
lines($internal, '^struct (file|iov_iter);');
edit($internal, 'empty lines', sub { s{\n{3,}}{\n\n}g });
