# SPDX-License-Identifier: GPL-2.0-only
my ($cdev, $queue, $uring, $internal) =
	map { "drivers/virtio/virtio_sst_$_" } qw(cdev.c queue.c uring.c internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';
my $uapi = 'include/uapi/linux/virtio_sst.h';

files('drivers/virtio/virtio_sst_slots.c');
replace('drivers/virtio/Makefile', " \\\n\t\tvirtio_sst_slots.o", '');

replace($cdev, <<'OLD', '');
	case SST_IOCTL_SETUP_SLOTS:
		return sst_slots_setup(file, argp);
	case SST_IOCTL_TRANSACT_SLOTS:
		return sst_slots_transact(filp, argp);
OLD
lines($cdev, '\t\.mmap = ', '\tsst_slots_close\(file\);');
replace($cdev, "relies on the same. Who has\n * no more than mapped its slots cannot read.\n", "relies on the same.\n");
replace($cdev, <<'OLD', <<'NEW');
	const struct sst_file *file = filp->private_data;

	return file_count(filp) == 1 + atomic_read(&file->mappings) && current->files &&
OLD
	return file_count(filp) == 1 && current->files &&
NEW
replace($cdev, 'sst_slot_payload(slot), payload', 'slot->answer->payload, payload');
replace($cdev, <<'OLD', <<'NEW');
	       !memchr_inv(sst_slot_payload(slot) + (size - SST_RESPONSE_HEADER_SIZE), 0,
			   length - size);
OLD
	       !memchr_inv((void *)slot->answer + size, 0, length - size);
NEW
replace($cdev, <<'OLD', <<'NEW');
/**
 * sst_fill_header() - tell how a request has ended
 * @slot: its slot
 * @header: where to
 */
void sst_fill_header(const struct sst_slot *slot, struct sst_response_header *header)
OLD
static void sst_fill_header(const struct sst_slot *slot,
			    struct sst_response_header *header)
NEW

functions($queue, qw(
	sst_chunk_put sst_slot_store sst_slot_settle sst_add_chunk sst_close_chunk
	sst_count_filled sst_claim_filled
));
replace($queue, <<'OLD', '');
	if (slot->shared) {
		list_del_init(&slot->node);
		/* From here on it may be somebody else's, who has not taken the lock. */
		smp_store_release(&slot->state, SST_SLOT_FREE);
		sst_chunk_put(q, chunk);
		return;
	}
OLD
replace($queue, <<'OLD', <<'NEW');
	} else if (!length && slot->shared && slot->shared->early) {
		sst_slot_settle(slot);
		sst_slot_check(q, slot, slot->shared->early, wakeups);
		sst_slot_complete(q, slot, wakeups);
	} else if (!length) {
OLD
	} else if (!length) {
NEW
replace($queue, 'sst_slot_store(slot, response, length);', 'memcpy(slot->answer, response, length);');
replace($queue, <<'OLD', '');
	if (slot->state == SST_SLOT_BUSY && slot->shared) {
		slot->shared->early = length;
		return;
	}
OLD
replace($queue, "\t/* Shared slots go in any context. */\n", '');
replace($queue, <<'OLD', '');
	if (chunk->shared)
		sst_free_payload(chunk);
OLD
replace($queue, 'if (!chunk->memory || sst_add_chunk(q, chunk, gfp)) {', <<'NEW' =~ s/\n\z//r);
if (!chunk->memory ||
	    xa_alloc_irq(&q->chunks, &chunk->index, chunk,
			 XA_LIMIT(0, SST_SLOT_INDEX_MAX / SST_CHUNK_SLOTS), gfp)) {
NEW
replace($queue, ' && !slot->shared)', ')');
replace($queue, "\tif (slot->shared)\n\t\tslot->shared->early = 0;\n", '');
replace($queue, <<'OLD', <<'NEW');
	if (slot->shared) {
		sgs[0] = slot->shared->request;
		sgs[1] = slot->shared->response;
	} else {
		sg_init_one(&request, slot->request, sizeof(*slot->request));
		sg_init_one(&response, slot->response, sizeof(*slot->response));
	}

OLD
	sg_init_one(&request, slot->request, sizeof(*slot->request));
	sg_init_one(&response, slot->response, sizeof(*slot->response));

NEW
replace($queue, '!sst_queue_has_room(q, n ? sst_slot_places(slot) : least)', '!sst_queue_has_room(q, n ? 1 : least)');
replace($queue, 'n += sst_slot_places(slot);', 'n++;');
replace($queue, 'q->places + places <= q->capacity', 'q->occupied + places <= q->capacity');
lines($queue, 'q->places [-+]= sst_slot_places\(slot\);');
replace($queue, "static void sst_queue_vacate(struct sst_queue *q, const struct sst_slot *slot,\n\t\t\t     struct sst_wakeups *wakeups)",
	'static void sst_queue_vacate(struct sst_queue *q, struct sst_wakeups *wakeups)');
replace($queue, 'The places of a slot have become free.', 'A place has become free.');
replace($queue, 'sst_queue_vacate(q, slot, ', 'sst_queue_vacate(q, ') for 1 .. 3;
replace($queue, ' && !file->slots)', ')');

lines($internal, ' \* @mappings: ', '\tatomic_t mappings;', ' \* @shared: &sst_slot\.shared', ' \* @user: who is charged',
	' \* @closed: shared slots', '\tstruct sst_shared_slot \*shared;', '\tstruct user_struct \*user;',
	'\tbool closed;', '^struct (page|user_struct|vm_area_struct|sst_slots);', ' \* @places: ',
	'\tunsigned int places;', '\tstruct sst_slots \*slots;', ' \* @shared: what it has if',
	'sizeof\(struct sst_slot_(setup|request|response|transaction)\)', 'include <linux/mm\.h>');
declarations($internal, qw(
	sst_fill_header sst_claim_filled sst_add_chunk sst_close_chunk sst_slots_setup
	sst_slots_transact sst_slots_fill sst_slots_valid sst_slots_store sst_slots_mmap
	sst_slots_close sst_free_payload
));
functions($internal, qw(sst_slot_payload sst_slot_places));
documented($internal, 'struct sst_shared_slot');
replace($internal, " * \@slots: the slots that it shares with programs, if it has any; it keeps its queue then.\n" .
	" *\tSet once, under the lock of the queue\n", '');
paragraphs($internal, '/\* Slots that an open file may share');

functions($uring, qw(sst_uring_read_slots sst_uring_transact_slots));
replace($uring, '; 0 if only headers go there, and payloads are in slots', '');
replace($uring, ' ?: sizeof(struct sst_slot_response)', '');
replace($uring, <<'OLD', <<'NEW');
	return uring->response_size ? sst_copy_batch(batch, copied, &to, size) :
				      sst_slots_store(batch, copied, &to);
OLD
	return sst_copy_batch(batch, copied, &to, size);
NEW
replace($uring, <<'OLD', <<'NEW');
	ret = cmd->cmd_op == SST_URING_CMD_TRANSACT ?
	      sst_uring_transact(cmd, how, issue_flags) :
	      sst_uring_transact_slots(cmd, how, issue_flags);
OLD
	ret = sst_uring_transact(cmd, how, issue_flags);
NEW
replace($uring, <<'OLD', '');
	case SST_URING_CMD_TRANSACT_SLOTS:
		if (!sst_uring_rest_zero(cmd, sizeof(struct sst_slot_transaction)))
			return -EINVAL;
		return sst_uring_exchange(cmd, issue_flags);
OLD

replace($uapi, "#define SST_ABI_VERSION\t\t4", "#define SST_ABI_VERSION\t\t3");
documented($uapi, 'struct sst_slot_setup', 'struct sst_slot_request', 'struct sst_slot_response',
	'struct sst_slot_transaction', 'SST_IOCTL_SETUP_SLOTS', 'SST_IOCTL_TRANSACT_SLOTS',
	'SST_URING_CMD_TRANSACT_SLOTS');

rows($page, '``ioctl``, ``mmap``', '``…_TRANSACT_SLOTS``:', 'Requests of a command or   ',
	'Slots of an open file', 'Memory of slots');
replace($page, "and ``…_TRANSACT_SLOTS``:  | requests, with one          |\n|                       | any number of requests     | completion                  |",
	"any number of requests     | requests, with one          |\n|                       |                            | completion                  |");
section($page, 'Example: slots');
section($page, 'mmap()');
replace($page, "not the copy; with\n``SST_URING_CMD_TRANSACT_SLOTS`` the payloads are not copied, see `mmap()`_.", 'not the copy.');
replace($page, ' (two of them by one in a mapped slot)', '');
replace($page, ", and for ever if it has\nslots.", '.');

paragraphs($driver, 'A slot that a program has mapped is');
section($driver, 'Slots shared with programs');
edit($internal, 'empty lines', sub { s{\n{3,}}{\n\n}g });
