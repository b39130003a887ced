# SPDX-License-Identifier: GPL-2.0-only
my ($core, $cdev, $queue, $internal) =
	map { "drivers/virtio/virtio_sst$_" } qw(.c _cdev.c _queue.c _internal.h);
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';

files('drivers/virtio/virtio_sst_debugfs.c');
replace('drivers/virtio/Makefile', ' virtio_sst_debugfs.o', '');

replace($core, <<'OLD', <<'NEW');
	sst_debugfs_init();
	ret = register_virtio_driver(&sst_driver);
	if (ret)
		goto exit_cdev;

	return 0;

exit_cdev:
	sst_debugfs_exit();
	sst_cdev_exit();
	return ret;
OLD
	ret = register_virtio_driver(&sst_driver);
	if (ret)
		sst_cdev_exit();

	return ret;
NEW
lines($core, '\tsst_debugfs_(exit|add|del)\(');
lines($cdev, 'include <linux/pid\.h>', 'file->opener');
lines($internal, '^struct (dentry|pid);', ' \* @debugfs: ', '\tstruct dentry \*debugfs;', ' \* @opener: ',
	'\tstruct pid \*opener;');
declarations($internal, qw(sst_debugfs_init sst_debugfs_exit sst_debugfs_add sst_debugfs_del));
replace($internal, "\n\n\nextern struct class", "\n\nextern struct class");
replace($internal, "when the clock was started, or, until it is, when it was handed to the\n *\tdevice, in jiffies",
	'when the clock was started, in jiffies');
replace($queue, "\t\tslot->started = jiffies;\n\t\tslot->state = SST_SLOT_BUSY;", "\t\tslot->state = SST_SLOT_BUSY;");

section($driver, 'debugfs') for 1 .. 2;
