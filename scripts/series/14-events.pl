# SPDX-License-Identifier: GPL-2.0-only
my ($core, $cdev, $queue, $events, $attributes, $internal) =
	map { "drivers/virtio/virtio_sst$_" } qw(.c _cdev.c _queue.c _events.c _sysfs.c _internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';
my $sysfs = 'Documentation/ABI/testing/sysfs-class-virtio-sst';
my $uapi = 'include/uapi/linux/virtio_sst.h';

edit($events, 'text in front', sub { s{: events, from the event queue to.*?(?=\n \*/\n)}{: the event queue.}s });
edit($events, 'readers', sub { s{/\* Readers \*/\n.*}{}s });
edit($events, 'giving to readers', sub { s{/\* Giving events to readers \*/\n.*?(?=/\* Receiving \*/\n)}{}s });
edit($events, 'waking of readers', sub { s{^/\*\*\n \* sst_events_wake\(\) - .*?^\}\n\n?}{}ms });
documented($events, 'struct sst_event_reader');
edit($events, 'limit of readers', sub { s{^/\* Readers that were made[^\n]*\n#define[^\n]*\n\n/\* Readers of a device[^\n]*\n#define[^\n]*\n\n/\* Events that are copied[^\n]*\n#define[^\n]*\n\n}{}m });
lines($events, 'include <linux/(anon_inodes|capability|cred|file|fs|log2|mm|module|poll|slab|uaccess|uidgid|uio)\.h>',
	'\tINIT_LIST_HEAD\(&events->readers\);', '\tmutex_(init|unlock)\(&events->turn\);', '\tsst_events_give\(events, events->batch, n\);',
	'\tunsigned int n = 0;',
	' \* @resets: how often');
replace($events, <<'OLD', <<'NEW');
/* Returns false if it is none. */
static bool sst_event_receive(struct sst_event_queue *events, void *buffer, u32 length,
			      struct sst_event *event)
{
	/* Once, since the device may still write to it */
	memcpy(event, buffer, sizeof(*event));
	if (length != sizeof(*event)) {
		events->malformed++;
		return false;
	}

	event->flags = 0;
	events->received++;
	return true;
}
OLD
static void sst_event_receive(struct sst_event_queue *events, u32 length)
{
	if (length == sizeof(struct sst_event))
		events->received++;
	else
		events->malformed++;
}
NEW
replace($events, '*n += sst_event_receive(events, buffer, length, &events->batch[*n]);', 'sst_event_receive(events, length);');
replace($events, 'sst_events_collect(struct sst_event_queue *events, unsigned int *n)', 'sst_events_collect(struct sst_event_queue *events)');
replace($events, 'sst_events_collect(events, &n)', 'sst_events_collect(events)');
replace($events, "Take a batch of events and give it to the readers, in a context in which the virtqueue\n * can't be deleted. Returns true if there may be more: if not, the device interrupts.",
	"Take a batch of events, in a context in which the virtqueue can't be deleted. Returns\n * true if there may be more: if not, the device interrupts.");
replace($events, "\t/* Held until they are given, so that others can't give later ones before. */\n\tmutex_lock(&events->turn);\n", '');
edit($events, 'event of a reset', sub {
	s{\(struct sst_event_queue \*events, u64 resets\)\n\{\n.*?(?=\tbool kick;)}{(struct sst_event_queue *events)\n\{\n}s
});
replace($events, "\tif (resets) {\n\t\tmutex_lock(&events->turn);\n\t\tsst_events_give(events, &reset, 1);\n\t}\n\n", '');
replace($events, "Process context, may sleep. Takes and releases the locks of the event queue.",
	"Process context$_. Takes and releases the lock of the event queue.") for '', ', may sleep';

replace($core, "\t/* Who learns of the reset finds it counted. Nobody else changes \@resets meanwhile. */\n", '');
replace($core, "sst_events_open(&sst->events, $_);", 'sst_events_open(&sst->events);') for 'sst->resets', '0';
lines($core, 'totals->lost_events = ');
replace($cdev, "\tcase SST_IOCTL_EVENT_FD:\n\t\treturn sst_event_fd(filp, argp);\n", '');
lines($queue, '\tsst_events_wake\(&sst->events\);');
replace($queue, "waits for anything of a device\n * \@sst: the device\n *\n * Context: Process context, may sleep.",
	"waits for anything of a device\n * \@sst: the device\n *\n * Context: Process context.");
replace($attributes, "\t\t\t  \"lost_events %llu\\n\"\n", '');
replace($attributes, ' totals.lost_events,', '');
edit($sysfs, 'counter lost_events', sub { s{^\t\tlost_events .*?(?=^\t\tlost_event_buffers)}{}ms });


lines($internal, 'sizeof\(struct sst_event_setup\)', ' \* @lost_events: ', '\tu64 lost_events;');
edit($internal, 'readers of the event queue', sub {
	s{^ \* \@turn: held by who takes events and.*?(?= \* \@lock: protects \@inbox)}{}ms
});
replace($internal, "\tstruct mutex turn;\t/* what the kernel-doc says */\n\tspinlock_t lock;", "\tspinlock_t lock;");
replace($internal, "\tstruct sst_event batch[SST_EVENT_BATCH];\n\tstruct list_head readers;\n", '');
replace($internal, " * \@batch: events between the virtqueue and the readers\n * \@readers: who gets the events\n", '');
replace($internal, "takes events and gives them to the readers; not queued", 'takes events; not queued');
replace($internal, " * \@malformed: events of an impossible length\n * \@lost: events that readers had no room for\n", " * \@malformed: events of an impossible length\n");
replace($internal, 'the event queue, and those who read events', 'the event queue');
replace($internal, "\tu64 malformed;\n\tu64 lost;\n};", "\tu64 malformed;\n};");
replace($internal, 'sst_events_open(struct sst_event_queue *events, u64 resets);', 'sst_events_open(struct sst_event_queue *events);');
declarations($internal, qw(sst_event_fd sst_events_wake));

documented($uapi, 'struct sst_event_setup', 'SST_IOCTL_EVENT_FD', 'enum sst_driver_event');
paragraphs($uapi, '/\* Flags of &struct sst_event_setup', '/\* Events that are kept for a reader',
	'/\*\n \* Flag of an event');
replace($uapi, "defined by the simulator; with SST_EVENT_F_DRIVER, one of\n *\t&enum sst_driver_event", 'defined by the simulator');
replace($uapi, "SST_EVENT_F_* as the driver sets them; on the wire this word is reserved,\n *\tand what a device puts there never reaches a program",
	'0');
replace($uapi, ' * 24 bytes. Read from a descriptor made by SST_IOCTL_EVENT_FD.', ' * 24 bytes.');
replace($uapi, "#define SST_ABI_VERSION\t\t5", "#define SST_ABI_VERSION\t\t4");

rows($page, 'SST_IOCTL_EVENT_FD', 'Events kept for a', 'Descriptors for events of', 'Descriptors for events');
paragraphs($page, '``SST_IOCTL_EVENT_FD`` gives');
replace($page, ' Those who read events are told by ``SST_EVENT_RESET``.', '');
edit($page, 'section Events', sub {
	s{^(Events\n=+\n\nA device can send events without having been asked\.) .*?(?=^[^\n]+\n=+\n)}{$1 The driver\nreceives and counts them.\n\n}ms
});
paragraphs($driver, 'How much there is to do for an event');
