# SPDX-License-Identifier: GPL-2.0-only
my ($core, $queue, $events, $internal) =
	map { "drivers/virtio/virtio_sst$_" } qw(.c _queue.c _events.c _internal.h);
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';

files(map { "drivers/virtio/virtio_sst_trace.$_" } qw(c h));
lines('drivers/virtio/Makefile', 'virtio_sst_trace\.o');
for my $file ($core, $queue, $events) {
	lines($file, 'include "virtio_sst_trace\.h"');
	lines($file, '\ttrace_sst_\w+\(');
}
replace($events, "\tstruct sst_device *sst = container_of(events, struct sst_device, events);\n\n\t/* Once", "\t/* Once");
replace($events, "\t/* A shorter one must not be completed by this one. */\n\tmemset(buffer, 0, sizeof(*event));\n", '');

functions($queue, qw(sst_submission_time sst_trace_submit sst_trace_complete));
edit($queue, 'words on tracepoints', sub { s{^/\*\n \* The tracepoints of every request.*?\*/\n\n}{}ms });
edit($queue, 'calls of tracepoints', sub {
	s{^\t*if \(trace_sst_\w+_enabled\(\)\)\n\t*sst_trace_\w+\([^\n]*\);\n|^\t*sst_trace_complete\([^\n]*\);\n}{}mg
});
lines($queue, '\tu64 now = sst_submission_time\(\);', '\tslot->submitted = now;', '\tslot->type = ');
replace($queue, <<'OLD', "static void sst_late(struct sst_queue *q, u64 id)\n");
/* A request that was @submitted at that time, if it is known, was answered late. */
static void sst_late(struct sst_queue *q, u64 id, const struct sst_response *answer,
		     u32 length, u64 submitted)
OLD
replace($queue, 'sst_late(q, sst_slot_id(slot), slot->response, length, slot->submitted);', 'sst_late(q, sst_slot_id(slot));');
replace($queue, 'sst_late(q, id, response, length, 0);', 'sst_late(q, id);');
replace($queue, "sst_response_unmatched(struct sst_queue *q, u64 id,\n\t\t\t\t   const struct sst_response *response, u32 length)",
	'sst_response_unmatched(struct sst_queue *q, u64 id)');
replace($queue, 'sst_response_unmatched(q, id, response, length);', 'sst_response_unmatched(q, id);');
lines($internal, ' \* @submitted: ', '\tu64 submitted;', ' \* @type: the driver', '\t__le32 type;');

section($driver, 'Tracepoints');
