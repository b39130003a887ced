# SPDX-License-Identifier: GPL-2.0-only
my ($cdev, $queue, $internal, $attributes) =
	map { "drivers/virtio/virtio_sst_$_" } qw(cdev.c queue.c internal.h sysfs.c);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';
my $sysfs = 'Documentation/ABI/testing/sysfs-class-virtio-sst';

replace($cdev, 'sst_op_wake, NULL, READ_ONCE(file->sst->busy_poll_us))', 'sst_op_wake, NULL)');

functions($queue, qw(
	sst_queue_wants_callback sst_queue_adjust_callback sst_queue_want_room sst_queue_poll
	sst_spin sst_op_spin
));
paragraphs($queue, '/\* Polling \*/');
lines($queue, 'polled -= slot->op->polled;', 'polled \+= slot->op->polled;',
	'q->callback = sst_queue_wants_callback\(q\);', '\tsst_queue_adjust_callback\(q\);',
	' \* @polled: somebody polls', 'op->polled = polled;', 'q->callback = true;',
	'in_flight = file->in_flight;', '\tunsigned int in_flight;', 'include <linux/ktime\.h>');
replace($queue, 'while (q->callback && !virtqueue_enable_cb(q->vq));', 'while (!virtqueue_enable_cb(q->vq));');
replace($queue, 'sst_queue_want_room(q);', 'q->room_wanted = true;') for 1 .. 3;
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

lines($internal, ' \* @polled: ', '\tbool polled;', '\tunsigned int polled;', ' \* @callback: ',
	'\tbool callback;', ' \* @busy_poll_us: ', '\tunsigned int busy_poll_us;');
replace($internal, 'void *data, bool polled);', 'void *data);');
paragraphs($internal, '#define SST_BUSY_POLL_MAX_US');

functions($attributes, qw(busy_poll_us_show busy_poll_us_store));
replace($attributes, "static DEVICE_ATTR_RW(busy_poll_us);\n\n", '');
lines($attributes, 'dev_attr_busy_poll_us');
edit($sysfs, 'attribute busy_poll_us', sub { s{^What:\t\t\S*/busy_poll_us\n.*?(?=^What:)}{}ms });

rows($page, 'Time to look for an answer');
section($driver, 'Busy polling');
replace($driver, "``request_timeout_ms`` and ``busy_poll_us`` (writable)", '``request_timeout_ms`` (writable)');
