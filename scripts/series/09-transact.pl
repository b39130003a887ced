# SPDX-License-Identifier: GPL-2.0-only
my ($cdev, $queue, $internal) = map { "drivers/virtio/virtio_sst_$_" } qw(cdev.c queue.c internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $uapi = 'include/uapi/linux/virtio_sst.h';

functions($cdev, qw(sst_transaction_valid sst_transact_submit sst_transact));
replace($cdev, "\tcase SST_IOCTL_TRANSACT:\n\t\treturn sst_transact(filp, argp);\n", '');

functions($queue, qw(
	sst_op_begin sst_slot_lost sst_op_dissolve sst_op_end sst_op_ended sst_op_wait sst_op_wake
	sst_wakeups_add_op sst_slot_lose
));
paragraphs($queue, '/\* Ops \*/');
lines($queue, ' \* @nr_ops: ', '\tunsigned int nr_ops;', 'slot->op = NULL;', 'INIT_LIST_HEAD\(&slot->first\.slots\)',
	'init_waitqueue_head\(&slot->first\.wait\)', 'include <linux/freezer\.h>', 'include <linux/sched/signal\.h>');
replace($queue, " * \@ops: ops that have ended, and what to call: who sleeps until then may be quick,\n" .
	" *\tand the memory may be another op by now\n", '');
replace($queue, <<'OLD', '');
	struct {
		struct sst_op *op;
		void (*ended)(struct sst_op *op);
	} ops[SST_WAKE_BATCH];
OLD
replace($queue, 'Files, or ops, that', 'Files that');
replace($queue, 'no file or slot can', 'no file can');
replace($queue, "ARRAY_SIZE(wakeups->files) &&\n\t       wakeups->nr_ops < ARRAY_SIZE(wakeups->ops);",
	'ARRAY_SIZE(wakeups->files);');
replace($queue, <<'OLD', '');
	for (i = 0; i < wakeups->nr_ops; i++)
		wakeups->ops[i].ended(wakeups->ops[i].op);
OLD
replace($queue, <<'OLD', <<'NEW');
	if (slot->op) {
		if (!--slot->op->pending)
			sst_wakeups_add_op(wakeups, slot->op);
	} else {
		list_add_tail(&slot->node, &file->done);
		file->nr_done++;
		sst_wakeups_add(wakeups, file);
	}
OLD
	list_add_tail(&slot->node, &file->done);
	file->nr_done++;
	sst_wakeups_add(wakeups, file);
NEW
replace($queue, <<'OLD', '');
		if (slot->op) {
			list_add_tail(&slot->node, &slot->op->slots);
			slot->op->pending++;
		}
OLD
replace($queue, <<'OLD', <<'NEW');
		sst_slot_lose(q, slot, wakeups);
OLD
		slot->file->in_flight--;
		slot->file->used--;
		sst_slot_free(q, slot);
NEW

declarations($internal, qw(sst_op_begin sst_op_end sst_op_wait sst_op_wake));
functions($internal, 'sst_sizes_valid');
documented($internal, 'struct sst_op');
lines($internal, 'sizeof\(struct sst_transaction\)', ' \* @op: what it is part of', ' \* @first: the op, if',
	'\tstruct sst_op (\*op|first);');
replace($internal, " part of an \@op:\n *\ton &sst_op.slots; with an unread ending: on &sst_file.done, or on a reader's\n *\tlist\n",
	" with an unread\n *\tending: on &sst_file.done, or on a reader's list\n");

documented($uapi, 'struct sst_transaction', 'SST_IOCTL_TRANSACT');

rows($page, 'SST_IOCTL_TRANSACT');
section($page, 'Example: one call');
paragraphs($page, '``SST_IOCTL_TRANSACT', 'Nothing is lost if it fails after',
	'=+ +=+\nError +Reason\n=+ +=+\n``EINTR``', 'With ``ENODEV`` no response');
replace($queue, "\tconst struct sst_slot *slot = list_last_entry(&q->busy, struct sst_slot, busy_node);\n\n", '');
replace($queue, '(nr == 1 || slot->op || !kick)', '(nr == 1 || !kick)');
