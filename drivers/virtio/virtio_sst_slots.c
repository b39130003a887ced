// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: slots that programs share with the device.
 *
 * The payloads of such a slot are pages of their own, which a program can map and the
 * device reads and writes: nothing is copied. The program may write to them at any time.
 * The headers are in memory of the kernel alone, so that it can't forge an ID.
 *
 * A file gets its slots once, and keeps its queue from then on. They are freed when it
 * is closed, which it can't be while it is mapped, and the device has given back those
 * that it had.
 */

#include <linux/capability.h>
#include <linux/dma-mapping.h>
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/rcupdate.h>
#include <linux/sched/signal.h>
#include <linux/sched/user.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "virtio_sst_internal.h"

/* Pages with the payloads of a slot: of the request, and of the response */
#define SST_SLOT_PAGES	2

static_assert(PAGE_SIZE >= SST_PAYLOAD_SIZE);

/**
 * struct sst_slots - the slots that a file shares with programs
 * @claim: held by who makes a FREE slot a FILLING one, or sets up @chunks
 * @nr: their number: 0 until they are set up
 * @nr_chunks: number of @chunks
 * @chunks: the slots
 */
struct sst_slots {
	struct mutex claim;	/* FREE slots */
	unsigned int nr;
	unsigned int nr_chunks;
	struct sst_chunk *chunks[SST_SHARED_SLOTS_MAX / SST_CHUNK_SLOTS];
};

static struct sst_slot *sst_slots_get(const struct sst_slots *slots, unsigned int index)
{
	return &slots->chunks[index / SST_CHUNK_SLOTS]->slots[index % SST_CHUNK_SLOTS];
}

/* Memory */

/* Returns whether the user may lock so many pages more, and has them counted. */
static bool sst_charge(struct user_struct *user, unsigned long pages)
{
	unsigned long limit = rlimit(RLIMIT_MEMLOCK) >> PAGE_SHIFT;

	if (atomic_long_add_return(pages, &user->locked_vm) <= limit || capable(CAP_IPC_LOCK))
		return true;

	atomic_long_sub(pages, &user->locked_vm);
	return false;
}

/**
 * sst_free_payload() - free what shared slots have more than others
 * @chunk: the slots, of which any may have no pages yet
 *
 * Context: Any context.
 */
void sst_free_payload(struct sst_chunk *chunk)
{
	unsigned int i;

	for (i = 0; i < chunk->nr * SST_SLOT_PAGES; i++) {
		struct page *page = chunk->shared[i / SST_SLOT_PAGES].payload[i % SST_SLOT_PAGES];

		if (page)
			__free_page(page);
	}
	kfree(chunk->shared);
	if (chunk->user) {
		atomic_long_sub(chunk->nr * SST_SLOT_PAGES, &chunk->user->locked_vm);
		free_uid(chunk->user);
	}
}

static void sst_slots_init_slot(struct sst_chunk *chunk, unsigned int i, size_t header_size,
				u64 serial, unsigned int number)
{
	struct sst_shared_slot *shared = &chunk->shared[i];
	struct sst_slot *slot = &chunk->slots[i];

	sst_init_slot(chunk, i);
	slot->shared = shared;
	shared->number = number;
	slot->last_serial = serial;
	slot->request = chunk->memory + SST_SLOT_PAGES * i * header_size;
	slot->response = chunk->memory + (SST_SLOT_PAGES * i + 1) * header_size;

	sg_init_table(shared->request, ARRAY_SIZE(shared->request));
	sg_set_buf(&shared->request[0], slot->request, SST_REQUEST_HEADER_SIZE);
	sg_set_page(&shared->request[1], shared->payload[0], SST_PAYLOAD_SIZE, 0);
	sg_init_table(shared->response, ARRAY_SIZE(shared->response));
	sg_set_buf(&shared->response[0], slot->response, SST_RESPONSE_HEADER_SIZE);
	sg_set_page(&shared->response[1], shared->payload[1], SST_PAYLOAD_SIZE, 0);
}

/* Returns 0, or -ENOMEM with the chunk as far as it has come. */
static int sst_slots_alloc_memory(struct sst_chunk *chunk, size_t header_size)
{
	struct user_struct *user = get_uid(current_user());
	unsigned int i;

	if (!sst_charge(user, chunk->nr * SST_SLOT_PAGES)) {
		free_uid(user);
		return -ENOMEM;
	}
	chunk->user = user;

	for (i = 0; i < chunk->nr * SST_SLOT_PAGES; i++) {
		struct page *page = alloc_page(GFP_KERNEL_ACCOUNT | __GFP_ZERO);

		if (!page)
			return -ENOMEM;
		chunk->shared[i / SST_SLOT_PAGES].payload[i % SST_SLOT_PAGES] = page;
	}
	chunk->size = chunk->nr * SST_SLOT_PAGES * header_size;
	chunk->memory = alloc_pages_exact(chunk->size, GFP_KERNEL_ACCOUNT | __GFP_ZERO);

	return chunk->memory ? 0 : -ENOMEM;
}

static struct sst_chunk *sst_slots_alloc_chunk(struct sst_file *file, unsigned int nr,
					       unsigned int first)
{
	size_t header_size = ALIGN(sizeof(struct sst_response_header),
				   max(dma_get_cache_alignment(), SMP_CACHE_BYTES));
	struct sst_chunk *chunk;
	unsigned int i;

	chunk = kzalloc_flex(*chunk, slots, nr, GFP_KERNEL_ACCOUNT);
	if (!chunk)
		return NULL;

	INIT_LIST_HEAD(&chunk->node);
	chunk->nr = nr;
	chunk->nr_free = nr;
	chunk->shared = kcalloc(nr, sizeof(*chunk->shared), GFP_KERNEL_ACCOUNT);
	if (!chunk->shared || sst_slots_alloc_memory(chunk, header_size) ||
	    sst_add_chunk(file->queue, chunk, GFP_KERNEL_ACCOUNT)) {
		sst_free_chunk(chunk);
		return NULL;
	}

	for (i = 0; i < nr; i++)
		sst_slots_init_slot(chunk, i, header_size, file->serial, first + i);
	return chunk;
}

/* Set up */

static void sst_slots_drop(struct sst_file *file, struct sst_slots *slots)
{
	while (slots->nr_chunks)
		sst_close_chunk(file->queue, slots->chunks[--slots->nr_chunks]);
}

/* Returns what a file has for slots, and with which it keeps its queue, or NULL. */
static struct sst_slots *sst_slots_pin(struct sst_file *file)
{
	struct sst_slots *slots = READ_ONCE(file->slots);
	struct sst_queue *q;

	if (slots)
		return slots;

	slots = kzalloc_obj(*slots, GFP_KERNEL_ACCOUNT);
	if (!slots)
		return NULL;
	mutex_init(&slots->claim);

	q = sst_lock_queue(file);
	if (!file->slots) {
		WRITE_ONCE(file->slots, slots);
		slots = NULL;
	}
	spin_unlock_irq(&q->lock);
	kfree(slots);

	return file->slots;
}

static int sst_slots_alloc(struct sst_file *file, struct sst_slots *slots, unsigned int nr)
{
	struct sst_chunk *chunk;
	unsigned int left;

	for (left = nr; left; left -= chunk->nr) {
		chunk = sst_slots_alloc_chunk(file, min(left, SST_CHUNK_SLOTS), nr - left);
		if (!chunk) {
			sst_slots_drop(file, slots);
			return -ENOMEM;
		}
		slots->chunks[slots->nr_chunks++] = chunk;
	}
	/* Page faults look without a lock. */
	smp_store_release(&slots->nr, nr);

	return 0;
}

/**
 * sst_slots_setup() - give a file slots that programs can map
 * @file: the file
 * @arg: how many, and where to tell how they are laid out
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative error code, see SST_IOCTL_SETUP_SLOTS.
 */
int sst_slots_setup(struct sst_file *file, struct sst_slot_setup __user *arg)
{
	struct sst_slot_setup setup;
	struct sst_slots *slots;
	int ret;

	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (!setup.nr || setup.nr > SST_SHARED_SLOTS_MAX || setup.flags ||
	    memchr_inv(setup.reserved, 0, sizeof(setup.reserved)))
		return -EINVAL;

	slots = sst_slots_pin(file);
	if (!slots)
		return -ENOMEM;

	setup.slot_size = SST_SLOT_PAGES * PAGE_SIZE;
	setup.response_offset = PAGE_SIZE;
	setup.size = (u64)setup.nr * setup.slot_size;
	if (copy_to_user(arg, &setup, sizeof(setup)))
		return -EFAULT;

	ret = mutex_lock_interruptible(&slots->claim);
	if (ret)
		return ret;
	ret = slots->nr ? -EBUSY : sst_slots_alloc(file, slots, setup.nr);
	mutex_unlock(&slots->claim);

	return ret;
}

/**
 * sst_slots_close() - free the slots of a file
 * @file: the file, which nobody uses any more, and which has no request
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_slots_close(struct sst_file *file)
{
	if (!file->slots)
		return;

	sst_slots_drop(file, file->slots);
	mutex_destroy(&file->slots->claim);
	kfree(file->slots);
}

/* Mapping */

static vm_fault_t sst_slots_fault(struct vm_fault *vmf)
{
	struct sst_file *file = vmf->vma->vm_file->private_data;
	unsigned long i = vmf->pgoff / SST_SLOT_PAGES;

	/* Who sees the number sees the chunks. */
	if (i >= smp_load_acquire(&file->slots->nr))
		return VM_FAULT_SIGBUS;

	vmf->page = sst_slots_get(file->slots, i)->shared->payload[vmf->pgoff % SST_SLOT_PAGES];
	get_page(vmf->page);

	return 0;
}

static void sst_slots_map(struct vm_area_struct *vma)
{
	struct sst_file *file = vma->vm_file->private_data;

	atomic_inc(&file->mappings);
}

static void sst_slots_unmap(struct vm_area_struct *vma)
{
	struct sst_file *file = vma->vm_file->private_data;

	atomic_dec(&file->mappings);
}

static const struct vm_operations_struct sst_slots_vm_ops = {
	.open = sst_slots_map,
	.close = sst_slots_unmap,
	.fault = sst_slots_fault,
};

/**
 * sst_slots_mmap() - map slots
 * @filp: the open file, which has them
 * @vma: where to
 *
 * Context: Process context.
 * Return: 0, or -EINVAL if that is no part of the slots, or not shared.
 */
int sst_slots_mmap(struct file *filp, struct vm_area_struct *vma)
{
	struct sst_file *file = filp->private_data;
	struct sst_slots *slots = READ_ONCE(file->slots);
	unsigned long pages = slots ? READ_ONCE(slots->nr) * SST_SLOT_PAGES : 0;

	if (READ_ONCE(file->sst->gone))
		return -ENODEV;
	/* Of a file that only reads, a shared mapping is not VM_SHARED. */
	if (!(vma->vm_flags & VM_MAYSHARE) || vma->vm_pgoff >= pages ||
	    vma_pages(vma) > pages - vma->vm_pgoff)
		return -EINVAL;

	vm_flags_set(vma, VM_DONTEXPAND);
	vma->vm_ops = &sst_slots_vm_ops;
	sst_slots_map(vma);

	return 0;
}

/* Transactions */

/**
 * sst_slots_valid() - look at what a program says
 * @t: the transaction
 *
 * Return: true if it may be meant.
 */
bool sst_slots_valid(const struct sst_slot_transaction *t)
{
	return t->nr && t->nr <= SST_SHARED_SLOTS_MAX && !t->flags &&
	       !memchr_inv(t->reserved, 0, sizeof(t->reserved));
}

static bool sst_slots_contain(const struct list_head *batch, const struct sst_slot *slot)
{
	const struct sst_slot *other;

	list_for_each_entry(other, batch, node)
		if (other == slot)
			return true;

	return false;
}

/* Take the slot of a request and fill its header. Returns 0 or an error. */
static int sst_slots_fill_one(struct sst_slots *slots, const struct sst_slot_request *request,
			      struct list_head *batch)
{
	struct sst_slot *slot;

	if (request->reserved || request->index >= slots->nr)
		return -EINVAL;

	slot = sst_slots_get(slots, request->index);
	/* It becomes FREE at any time, but something else only here. */
	if (smp_load_acquire(&slot->state) != SST_SLOT_FREE)
		return sst_slots_contain(batch, slot) ? -EINVAL : -EBUSY;

	WRITE_ONCE(slot->state, SST_SLOT_FILLING);
	list_add_tail(&slot->node, batch);
	slot->request->type = cpu_to_le32(request->type);
	slot->request->flags = cpu_to_le32(request->flags);
	slot->request->user_data = cpu_to_le64(request->user_data);

	return 0;
}

/* Give back slots that were filled and do not count yet. */
static void sst_slots_unfill(struct list_head *batch)
{
	struct sst_slot *slot, *next;

	list_for_each_entry_safe(slot, next, batch, node) {
		list_del_init(&slot->node);
		/* From here on it may be somebody else's. */
		smp_store_release(&slot->state, SST_SLOT_FREE);
	}
}

static int sst_slots_lock(struct sst_slots *slots, unsigned int how)
{
	if (how & SST_NOSLEEP)
		return mutex_trylock(&slots->claim) ? 0 : -EAGAIN;

	return mutex_lock_interruptible(&slots->claim);
}

/**
 * sst_slots_fill() - take the slots of requests and fill their headers
 * @file: the file
 * @t: the transaction, which is valid
 * @from: the requests
 * @batch: list to put the slots on
 * @how: SST_* flags
 *
 * Context: Process context, may sleep.
 * Return: 0, or a negative error code, and none is taken.
 */
int sst_slots_fill(struct sst_file *file, const struct sst_slot_transaction *t,
		   struct iov_iter *from, struct list_head *batch, unsigned int how)
{
	struct sst_slots *slots = READ_ONCE(file->slots);
	struct sst_slot_request request;
	unsigned int i;
	int ret;

	if (!slots)
		return -EINVAL;

	ret = sst_slots_lock(slots, how);
	if (ret)
		return ret;
	for (i = 0; i < t->nr && !ret; i++)
		ret = copy_from_iter_full(&request, sizeof(request), from) ?
		      sst_slots_fill_one(slots, &request, batch) : -EFAULT;
	mutex_unlock(&slots->claim);

	ret = ret ?: sst_claim_filled(file, t->nr, batch, how);
	if (ret)
		sst_slots_unfill(batch);

	return ret;
}

/**
 * sst_slots_store() - copy headers of responses out of slots
 * @batch: the slots
 * @copied: list that they are moved to
 * @to: where to
 *
 * Context: Process context, may sleep.
 * Return: 0, or -EFAULT for the first slot left on @batch.
 */
int sst_slots_store(struct list_head *batch, struct list_head *copied, struct iov_iter *to)
{
	struct sst_response_header header;
	struct sst_slot_response response;
	struct sst_slot *slot, *next;

	list_for_each_entry_safe(slot, next, batch, node) {
		sst_fill_header(slot, &header);
		response = (struct sst_slot_response) {
			.status = le32_to_cpu(header.status),
			.flags = le32_to_cpu(header.flags),
			.request_id = le64_to_cpu(header.request_id),
			.user_data = le64_to_cpu(header.user_data),
			.result = le64_to_cpu(header.result),
			.index = slot->shared->number,
		};
		if (copy_to_iter(&response, sizeof(response), to) != sizeof(response))
			return -EFAULT;
		list_move_tail(&slot->node, copied);
	}

	return 0;
}

/* Submit the requests of a transaction. Returns the op, or an error pointer. */
static struct sst_op *sst_slots_submit(struct file *filp, const struct sst_slot_transaction *t)
{
	unsigned int how = sst_how(filp, 0) | SST_WHOLE;
	struct sst_file *file = filp->private_data;
	struct iov_iter from;
	struct sst_op *op;
	LIST_HEAD(batch);
	int ret;

	iov_iter_ubuf(&from, ITER_SOURCE, u64_to_user_ptr(t->requests),
		      t->nr * sizeof(struct sst_slot_request));
	ret = sst_slots_fill(file, t, &from, &batch, how);
	if (ret)
		return ERR_PTR(ret);

	op = sst_op_begin(&batch, sst_op_wake, NULL, READ_ONCE(file->sst->busy_poll_us));
	ret = sst_submit(file, &batch, how);
	sst_unclaim(file, &batch);

	return ret < 0 ? ERR_PTR(ret) : op;
}

/**
 * sst_slots_transact() - submit requests in slots and wait for their responses
 * @filp: the open file
 * @arg: the transaction
 *
 * Context: Process context, may sleep.
 * Return: number of responses stored or a negative error code, see
 *	SST_IOCTL_TRANSACT_SLOTS.
 */
int sst_slots_transact(struct file *filp, struct sst_slot_transaction __user *arg)
{
	const fmode_t both = FMODE_READ | FMODE_WRITE;
	struct sst_file *file = filp->private_data;
	struct sst_slot_transaction t;
	struct iov_iter to;
	struct sst_op *op;
	LIST_HEAD(copied);
	LIST_HEAD(batch);
	unsigned int n;
	int error;
	int ret;

	if ((filp->f_mode & both) != both)
		return -EBADF;
	if (copy_from_user(&t, arg, sizeof(t)) || put_user(0, &arg->submitted))
		return -EFAULT;
	if (!sst_slots_valid(&t))
		return -EINVAL;

	op = sst_slots_submit(filp, &t);
	if (IS_ERR(op))
		return PTR_ERR(op);

	ret = sst_op_wait(file, op, &batch);
	iov_iter_ubuf(&to, ITER_DEST, u64_to_user_ptr(t.responses),
		      t.nr * sizeof(struct sst_slot_response));
	error = put_user(t.nr, &arg->submitted) ?: sst_slots_store(&batch, &copied, &to);
	sst_put_back(file, &batch);
	n = sst_finish(file, &copied);

	return n ?: error ?: ret;
}
