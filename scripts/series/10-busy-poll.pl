# SPDX-License-Identifier: GPL-2.0-only
my ($core, $cdev, $queue, $internal, $attributes) =
	map { "drivers/virtio/virtio_sst$_" } qw(.c _cdev.c _queue.c _internal.h _sysfs.c);
my $uapi = 'include/uapi/linux/virtio_sst.h';
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';
my $sysfs = 'Documentation/ABI/testing/sysfs-class-virtio-sst';

replace($cdev, 'sst_op_wake, NULL, READ_ONCE(file->sst->busy_poll_us))', 'sst_op_wake, NULL)');

functions($queue, qw(sst_queue_poll sst_spin sst_op_spin));
replace($queue, <<'OLD', <<'NEW');
/*
 * Whether the device is to interrupt. It need not if it has nothing, or if all who
 * wait for it look for themselves.
 */
OLD
/*
 * Whether the device is to interrupt. It need not if it has nothing, or if who waits for
 * it looks for himself.
 */
NEW
replace($queue, "\tif (q->polled)\n\t\treturn q->polled < q->occupied - q->zombies;\n", '');
replace($queue, ' && !q->polled &&', ' &&');
paragraphs($queue, '/\* Polling \*/');
lines($queue, 'polled -= slot->op->polled;', 'polled \+= slot->op->polled;',
	' \* @polled: somebody polls', 'op->polled = polled;',
	'in_flight = file->in_flight;', '\tunsigned int in_flight;', 'include <linux/ktime\.h>');
replace($queue, <<'OLD', '');
		/* Those who sleep came before. */
		if (in_flight && READ_ONCE(file->sst->busy_poll_us) &&
		    !wq_has_sleeper(&file->readers))
			sst_spin(q, &file->nr_done, true);
OLD
replace($queue, 'void *data, bool polled)', 'void *data)');
replace($queue, "\tif (op->polled)\n\t\tsst_op_spin(file, op);\n\n", '');
replace($queue, "\t\tWRITE_ONCE(slot->op->pending, slot->op->pending - 1);\n\t\tif (!slot->op->pending)\n",
	"\t\tif (!--slot->op->pending)\n");

lines($internal, ' \* @polled: ', '\tbool polled;', '\tunsigned int polled;',
	' \* @busy_poll_us: ', '\tunsigned int busy_poll_us;');
replace($internal, 'void *data, bool polled);', 'void *data);');
edit($uapi, 'limit of polling', sub { s{^/\* [^\n]*\n#define SST_BUSY_POLL_MAX_US\t+10000\n\n?}{}m });
replace($core, <<'OLD', '');
	if (busy_poll_us && *busy_poll_us > SST_BUSY_POLL_MAX_US)
		return -EINVAL;
OLD
replace($core, "\tif (busy_poll_us)\n\t\tWRITE_ONCE(sst->busy_poll_us, *busy_poll_us);\n", '');
replace($core, "\tif (timeout_ms && (*timeout_ms < SST_REQUEST_TIMEOUT_MIN_MS ||\n\t\t\t   *timeout_ms > SST_REQUEST_TIMEOUT_MAX_MS))",
	"\tif (timeout_ms < SST_REQUEST_TIMEOUT_MIN_MS || timeout_ms > SST_REQUEST_TIMEOUT_MAX_MS)");
replace($core, "\tif (timeout_ms)\n\t\tWRITE_ONCE(sst->request_timeout_ms, *timeout_ms);", "\tWRITE_ONCE(sst->request_timeout_ms, timeout_ms);");
replace($core, ", in milliseconds, or NULL\n * \@busy_poll_us: how long to look for an answer, in microseconds, or NULL\n", ", in milliseconds\n");
replace($core, 'if one of them is out of range; none is changed then.', 'if it is out of range.');
for my $file ($core, $internal) {
	replace($file, "const unsigned int *timeout_ms,\n\t\t  const unsigned int *busy_poll_us)", 'unsigned int timeout_ms)');
}
replace($attributes, 'sst_configure(to_sst_device(dev), &ms, NULL)', 'sst_configure(to_sst_device(dev), ms)');

functions($attributes, qw(busy_poll_us_show busy_poll_us_store));
replace($attributes, "static DEVICE_ATTR_RW(busy_poll_us);\n\n", '');
lines($attributes, 'dev_attr_busy_poll_us');
edit($sysfs, 'attribute busy_poll_us', sub { s{^What:\t\t\S*/busy_poll_us\n.*?(?=^What:)}{}ms });

rows($page, 'Time to look for an answer');
section($driver, 'Busy polling');
replace($driver, "``in_flight``, ``request_timeout_ms`` and\n``busy_poll_us`` (writable)", "``in_flight`` and ``request_timeout_ms``\n(writable)");
