# SPDX-License-Identifier: GPL-2.0-only
my ($cdev, $queue, $internal) = map { "drivers/virtio/virtio_sst_$_" } qw(cdev.c queue.c internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $uapi = 'include/uapi/linux/virtio_sst.h';

functions($cdev, qw(sst_transaction_valid sst_transact_submit sst_transact));
replace($cdev, "\tcase SST_IOCTL_TRANSACT:\n\t\treturn sst_transact(filp, argp);\n", '');

functions($queue, 'sst_slot_ended', 'sst_wait');
paragraphs($queue, '/\* One caller.s own request \*/');
lines($queue, ' \* @nr_callers', ' \* @callers', '\tunsigned int nr_callers;',
	'callers\[SST_WAKE_BATCH\];', 'init_waitqueue_head\(&slot->wait\)', 'slot->caller = false;');
replace($queue, 'Files, or waiting callers, that', 'Files that');
replace($queue, 'no file or slot can', 'no file can');
replace($queue, "ARRAY_SIZE(wakeups->files) &&\n\t       wakeups->nr_callers < ARRAY_SIZE(wakeups->callers);",
	'ARRAY_SIZE(wakeups->files);');
replace($queue, <<'OLD', '');
	for (i = 0; i < wakeups->nr_callers; i++)
		wake_up_interruptible(&wakeups->callers[i]->wait);
OLD
replace($queue, <<'OLD', '');
	if (slot->caller) {
		wakeups->callers[wakeups->nr_callers++] = slot;
		return;
	}
OLD
functions($queue, 'sst_slot_lose');
replace($queue, <<'OLD', <<'NEW');
		sst_slot_lose(q, slot, wakeups);
OLD
		slot->file->in_flight--;
		slot->file->used--;
		sst_slot_free(q, slot);
NEW

lines($internal, ' sst_wait\(', 'sizeof\(struct sst_transaction\)', ' \* @wait: @caller',
	'^\tbool caller;');
replace($internal, "\twait_queue_head_t wait;\n\tstruct sst_chunk", "\tstruct sst_chunk");
replace($internal, " * \@caller: somebody waits for the end of this very request, which is not to be\n" .
	" *\tput on &sst_file.done\n", '');

documented($uapi, 'struct sst_transaction', 'SST_IOCTL_TRANSACT');

rows($page, 'SST_IOCTL_TRANSACT');
section($page, 'Example: one call');
paragraphs($page, '``SST_IOCTL_TRANSACT', 'Nothing is lost if it fails after',
	'=+ +=+\nError +Reason\n=+ +=+\n``EINTR``', 'With ``ENODEV`` no response');
