# SPDX-License-Identifier: GPL-2.0-only
my ($core, $cdev, $queue, $events, $attributes, $internal) =
	map { "drivers/virtio/virtio_sst$_" } qw(.c _cdev.c _queue.c _events.c _sysfs.c _internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';
my $sysfs = 'Documentation/ABI/testing/sysfs-class-virtio-sst';
my $uapi = 'include/uapi/linux/virtio_sst.h';

edit($events, 'text in front', sub { s{: events, from the event queue to.*?(?=\n \*/\n)}{: the event queue.}s });
edit($events, 'readers', sub { s{/\* Readers \*/\n.*}{}s });
functions($events, qw(sst_event_reader_full sst_events_add sst_events_wake));
documented($events, 'struct sst_event_reader');
edit($events, 'limit of readers', sub { s{^/\* Readers of a device[^\n]*\n#define[^\n]*\n\n}{}m });
lines($events, 'include <linux/(anon_inodes|file|fs|lockdep|log2|mm|module|poll|slab|uaccess|uio)\.h>',
	'\tsst_events_wake\(events\);', '\tINIT_LIST_HEAD\(&events->readers\);', '\tinit_waitqueue_head\(&events->wait\);',
	' \* @resets: how often');
replace($events, <<'OLD', <<'NEW');
static void sst_events_receive(struct sst_event_queue *events, const void *buffer, u32 length)
{
	struct sst_event event;

	if (length != sizeof(event)) {
		events->malformed++;
		return;
	}

	/* Once, since the device may still write to it */
	memcpy(&event, buffer, sizeof(event));
	event.flags = 0;
	events->received++;
	sst_events_add(events, &event);
}
OLD
static void sst_events_receive(struct sst_event_queue *events, u32 length)
{
	if (length == sizeof(struct sst_event))
		events->received++;
	else
		events->malformed++;
}
NEW
replace($events, 'sst_events_receive(events, buffer, length);', 'sst_events_receive(events, length);') for 1 .. 2;
replace($events, 'while ((buffer = virtqueue_get_buf(vq, &length)))', 'while (virtqueue_get_buf(vq, &length))');
replace($events, "\tstruct virtqueue *vq = events->inbox.vq;\n\tvoid *buffer;\n\tu32 length;\n\n\tspin_lock_irq",
	"\tstruct virtqueue *vq = events->inbox.vq;\n\tu32 length;\n\n\tspin_lock_irq");
edit($events, 'event of a reset', sub {
	s{\(struct sst_event_queue \*events, u64 resets\)\n\{\n.*?(?=\tbool kick;)}{(struct sst_event_queue *events)\n\{\n}s
});
replace($events, "\tif (resets)\n\t\tsst_events_add(events, &reset);\n", '');

replace($core, "/* \@resets: how often the device has been started again with this time; 0 at first */\n", '');
replace($core, 'sst_start(struct sst_device *sst, u64 resets)', 'sst_start(struct sst_device *sst)');
replace($core, 'sst_events_open(&sst->events, resets);', 'sst_events_open(&sst->events);');
replace($core, 'ret = sst_start(sst, 0);', 'ret = sst_start(sst);') for 1 .. 2;
replace($core, "\t/* Nobody else changes it as long as the caller has \@run_lock. */\n\tret = sst_start(sst, sst->resets + 1);",
	"\tret = sst_start(sst);");
lines($core, 'totals->lost_events = ');
replace($cdev, "\tcase SST_IOCTL_EVENT_FD:\n\t\treturn sst_event_fd(filp, argp);\n", '');
lines($queue, 'wake_up_all\(&sst->events\.wait\);');
replace($attributes, "\t\t\t  \"lost_events %llu\\n\"\n", '');
replace($attributes, ' totals.lost_events,', '');
edit($sysfs, 'counter lost_events', sub { s{^\t\tlost_events .*?(?=^\t\tlost_event_buffers)}{}ms });


lines($internal, 'sizeof\(struct sst_event_setup\)', ' \* @(lost_events|readers|nr_readers): ', '\tu64 lost_events;',
	'\tunsigned int nr_readers;', ' \* @wait: readers and pollers', ' \* @lost: events that');
replace($internal, 'the event queue, and those who read events', 'the event queue');
replace($internal, "all fields but \@wait and \@work, and the readers' events", 'all fields but @work');
replace($internal, "\tstruct list_head readers;\n\twait_queue_head_t wait;\n\tstruct work_struct work;", "\tstruct work_struct work;");
replace($internal, "\tu64 malformed;\n\tu64 lost;\n};", "\tu64 malformed;\n};");
replace($internal, 'sst_events_open(struct sst_event_queue *events, u64 resets);', 'sst_events_open(struct sst_event_queue *events);');
declarations($internal, 'sst_event_fd');

documented($uapi, 'struct sst_event_setup', 'SST_IOCTL_EVENT_FD', 'enum sst_driver_event');
paragraphs($uapi, '/\* Flags of &struct sst_event_setup', '/\* Events that are kept for a reader',
	'/\*\n \* Flag of an event');
replace($uapi, "defined by the simulator; with SST_EVENT_F_DRIVER, one of\n *\t&enum sst_driver_event", 'defined by the simulator');
replace($uapi, "SST_EVENT_F_* as the driver sets them; on the wire this word is reserved,\n *\tand what a device puts there never reaches a program",
	'0');
replace($uapi, ' * 24 bytes. Read from a descriptor made by SST_IOCTL_EVENT_FD.', ' * 24 bytes.');
replace($uapi, "#define SST_ABI_VERSION\t\t4", "#define SST_ABI_VERSION\t\t3");

rows($page, 'SST_IOCTL_EVENT_FD', 'Events kept for a', 'Descriptors for events');
paragraphs($page, '``SST_IOCTL_EVENT_FD`` gives');
replace($page, ' Those who read events are told by ``SST_EVENT_RESET``.', '');
edit($page, 'section Events', sub {
	s{^(Events\n=+\n\nA device can send events without having been asked\.) .*?(?=^[^\n]+\n=+\n)}{$1 The driver\nreceives and counts them.\n\n}ms
});
edit($driver, 'rings of readers', sub {
	s{The\ncallback copies an event into.*?(?=After 512 events)}{An event\nis counted, and its buffer offered again.\n}s
});
replace($driver, " A reader has a reference to the device's\nstructure, but nothing to do with the device itself: reading goes on when that is gone.", '');
