// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: reads and writes that complete later, of io_submit().
 *
 * What can't be done at once is kept, and done by a work item when there is something
 * to read, or room to write. The work item is a reader and a writer like any other:
 * it waits in the file's wait queues, as somebody who sleeps does, but for many calls at
 * a time. It borrows the address space of the caller, which outlives the calls: at its
 * end it has them cancelled, and waits for them.
 */

#include <linux/aio.h>
#include <linux/fs.h>
#include <linux/init.h>
#include <linux/kthread.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uio.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "virtio_sst_internal.h"

/*
 * A program's memory can keep the work waiting for as long as somebody likes: it is not to
 * be in the way of anything else.
 */
static struct workqueue_struct *sst_aio_wq;

/**
 * struct sst_aio_call - a read or a write that completes later
 * @node: on a list of &sst_aio
 * @aio: whose it is
 * @iocb: the call
 * @iter: its memory
 * @segments: what @iter needs, to be freed; NULL if nothing
 * @mm: whose memory that is
 * @cancelled: it is not to be done any more
 */
struct sst_aio_call {
	struct list_head node;
	struct sst_aio *aio;
	struct kiocb *iocb;
	struct iov_iter iter;
	const void *segments;
	struct mm_struct *mm;
	bool cancelled;
};

/**
 * struct sst_aio_queue - the reads, or the writes, of an open file
 * @calls: those that wait, first come, first served
 * @wait: waits in one of the file's wait queues for what the first one needs
 */
struct sst_aio_queue {
	struct list_head calls;
	struct wait_queue_entry wait;
};

/**
 * struct sst_aio - the calls of an open file that complete later
 * @file: the open file
 * @lock: protects the lists and &sst_aio_call.cancelled; taken in any context
 * @reads: the reads
 * @writes: the writes
 * @idle: calls that have completed, to be used again
 * @work: does what can be done
 */
struct sst_aio {
	struct sst_file *file;
	spinlock_t lock;	/* the lists */
	struct sst_aio_queue reads;
	struct sst_aio_queue writes;
	struct list_head idle;
	struct work_struct work;
};

/* Wait queues */

/* As a reader that sleeps: the wake-up is used up, for one that others don't get. */
static int sst_aio_wake_read(struct wait_queue_entry *wait, unsigned int mode, int sync,
			     void *key)
{
	struct sst_aio *aio = container_of(wait, struct sst_aio, reads.wait);

	list_del_init_careful(&wait->entry);
	queue_work(sst_aio_wq, &aio->work);

	return 1;
}

static int sst_aio_wake_write(struct wait_queue_entry *wait, unsigned int mode, int sync,
			      void *key)
{
	struct sst_aio *aio = container_of(wait, struct sst_aio, writes.wait);

	if (key && !(key_to_poll(key) & EPOLLOUT))
		return 0;

	list_del_init_careful(&wait->entry);
	queue_work(sst_aio_wq, &aio->work);

	return 1;
}

static bool sst_aio_is_read(const struct sst_aio *aio, const struct sst_aio_queue *queue)
{
	return queue == &aio->reads;
}

static void sst_aio_start_waiting(struct sst_aio *aio, struct sst_aio_queue *queue)
{
	if (!list_empty_careful(&queue->wait.entry))
		return;

	if (sst_aio_is_read(aio, queue))
		add_wait_queue_exclusive(&aio->file->readers, &queue->wait);
	else
		add_wait_queue(&aio->file->wait, &queue->wait);
}

/* With the lock: when it returns, nobody is in the middle of a wake-up any more. */
static void sst_aio_leave(struct wait_queue_head *head, struct wait_queue_entry *wait)
{
	spin_lock_irq(&head->lock);
	list_del_init(&wait->entry);
	spin_unlock_irq(&head->lock);
}

/* Wake-ups that were used up may be for readers who sleep. */
static void sst_aio_stop_waiting(struct sst_aio *aio, struct sst_aio_queue *queue)
{
	struct sst_file *file = aio->file;
	unsigned int unread;

	if (!sst_aio_is_read(aio, queue)) {
		sst_aio_leave(&file->wait, &queue->wait);
		return;
	}

	sst_aio_leave(&file->readers, &queue->wait);
	unread = READ_ONCE(file->nr_done);
	if (unread)
		wake_up_interruptible_nr(&file->readers, unread);
}

/* Calls */

/* Do what can be done of a call without waiting. */
static ssize_t sst_aio_try(struct sst_aio *aio, struct sst_aio_queue *queue,
			   struct sst_aio_call *call)
{
	ssize_t ret;

	kthread_use_mm(call->mm);
	if (sst_aio_is_read(aio, queue))
		ret = sst_read(aio->file, &call->iter, SST_NOWAIT);
	else
		ret = sst_write(aio->file, &call->iter, SST_NOWAIT);
	kthread_unuse_mm(call->mm);

	return ret;
}

/* Nobody can cancel a call any more once it has completed. */
static void sst_aio_complete(struct sst_aio *aio, struct sst_aio_call *call, ssize_t ret)
{
	call->iocb->ki_complete(call->iocb, ret);
	kfree(call->segments);

	spin_lock_irq(&aio->lock);
	list_add(&call->node, &aio->idle);
	spin_unlock_irq(&aio->lock);
}

/* Returns a call that was cancelled and is on no list any more, or NULL. */
static struct sst_aio_call *sst_aio_pop_cancelled(struct sst_aio *aio,
						  struct sst_aio_queue *queue)
{
	struct sst_aio_call *call;

	guard(spinlock_irq)(&aio->lock);
	list_for_each_entry(call, &queue->calls, node) {
		if (call->cancelled) {
			list_del(&call->node);
			return call;
		}
	}

	return NULL;
}

static struct sst_aio_call *sst_aio_first(struct sst_aio *aio, struct sst_aio_queue *queue)
{
	guard(spinlock_irq)(&aio->lock);
	return list_first_entry_or_null(&queue->calls, struct sst_aio_call, node);
}

static void sst_aio_unlink(struct sst_aio *aio, struct sst_aio_call *call)
{
	guard(spinlock_irq)(&aio->lock);
	list_del(&call->node);
}

/* Do what can be done, and wait for the rest. */
static void sst_aio_run(struct sst_aio *aio, struct sst_aio_queue *queue)
{
	struct sst_aio_call *call;
	ssize_t ret;

	while ((call = sst_aio_pop_cancelled(aio, queue)))
		sst_aio_complete(aio, call, -ECANCELED);

	while ((call = sst_aio_first(aio, queue))) {
		/* Before the look, or what comes in between goes unnoticed. */
		sst_aio_start_waiting(aio, queue);
		ret = sst_aio_try(aio, queue, call);
		if (ret == -EAGAIN)
			return;
		sst_aio_unlink(aio, call);
		sst_aio_complete(aio, call, ret);
	}
	sst_aio_stop_waiting(aio, queue);
}

static void sst_aio_work(struct work_struct *work)
{
	struct sst_aio *aio = container_of(work, struct sst_aio, work);

	sst_aio_run(aio, &aio->reads);
	sst_aio_run(aio, &aio->writes);
}

/* The caller has a lock of its own, and interrupts off. */
static int sst_aio_cancel(struct kiocb *iocb)
{
	struct sst_aio_call *call = iocb->private;
	struct sst_aio *aio = call->aio;
	unsigned long flags;

	spin_lock_irqsave(&aio->lock, flags);
	call->cancelled = true;
	spin_unlock_irqrestore(&aio->lock, flags);
	queue_work(sst_aio_wq, &aio->work);

	return 0;
}

static struct sst_aio_call *sst_aio_new_call(struct sst_aio *aio)
{
	struct sst_aio_call *call;

	spin_lock_irq(&aio->lock);
	call = list_first_entry_or_null(&aio->idle, struct sst_aio_call, node);
	if (call)
		list_del(&call->node);
	spin_unlock_irq(&aio->lock);

	return call ?: kzalloc_obj(*call, GFP_KERNEL_ACCOUNT);
}

/* Have a call done later. */
static ssize_t sst_aio_defer(struct sst_aio *aio, struct sst_aio_queue *queue,
			     struct kiocb *iocb, struct iov_iter *iter)
{
	struct sst_aio_call *call = sst_aio_new_call(aio);

	if (!call)
		return -ENOMEM;

	call->segments = dup_iter(&call->iter, iter, GFP_KERNEL_ACCOUNT);
	if (!call->segments && !iter_is_ubuf(iter)) {
		kfree(call);
		return -ENOMEM;
	}
	call->aio = aio;
	call->iocb = iocb;
	call->mm = current->mm;
	call->cancelled = false;
	iocb->private = call;
	kiocb_set_cancel_fn(iocb, sst_aio_cancel);

	spin_lock_irq(&aio->lock);
	list_add_tail(&call->node, &queue->calls);
	spin_unlock_irq(&aio->lock);
	queue_work(sst_aio_wq, &aio->work);

	return -EIOCBQUEUED;
}

static void sst_aio_init_queue(struct sst_aio_queue *queue, wait_queue_func_t wake)
{
	INIT_LIST_HEAD(&queue->calls);
	init_waitqueue_func_entry(&queue->wait, wake);
	INIT_LIST_HEAD(&queue->wait.entry);
}

/* Returns what a file needs for this, or NULL if there is no memory. */
static struct sst_aio *sst_aio_get(struct sst_file *file)
{
	struct sst_aio *aio = READ_ONCE(file->aio);
	struct sst_aio *other;

	if (aio)
		return aio;

	aio = kzalloc_obj(*aio, GFP_KERNEL_ACCOUNT);
	if (!aio)
		return NULL;

	aio->file = file;
	spin_lock_init(&aio->lock);
	sst_aio_init_queue(&aio->reads, sst_aio_wake_read);
	sst_aio_init_queue(&aio->writes, sst_aio_wake_write);
	INIT_LIST_HEAD(&aio->idle);
	INIT_WORK(&aio->work, sst_aio_work);

	other = cmpxchg(&file->aio, NULL, aio);
	if (other) {
		kfree(aio);
		return other;
	}

	return aio;
}

static ssize_t sst_aio_submit(struct sst_aio *aio, struct sst_aio_queue *queue,
			      struct kiocb *iocb, struct iov_iter *iter)
{
	ssize_t ret = -EAGAIN;

	/* Others may have come before. */
	if (!sst_aio_first(aio, queue)) {
		if (sst_aio_is_read(aio, queue))
			ret = sst_read(aio->file, iter, SST_NOWAIT);
		else
			ret = sst_write(aio->file, iter, SST_NOWAIT);
	}

	return ret == -EAGAIN ? sst_aio_defer(aio, queue, iocb, iter) : ret;
}

/**
 * sst_aio_read() - read, at once or later
 * @iocb: the call, of io_submit()
 * @to: where to
 *
 * Context: Process context.
 * Return: -EIOCBQUEUED if it completes later, or as sst_read().
 */
ssize_t sst_aio_read(struct kiocb *iocb, struct iov_iter *to)
{
	struct sst_aio *aio = sst_aio_get(iocb->ki_filp->private_data);

	return aio ? sst_aio_submit(aio, &aio->reads, iocb, to) : -ENOMEM;
}

/**
 * sst_aio_write() - write, at once or later
 * @iocb: the call, of io_submit()
 * @from: the requests
 *
 * Context: Process context.
 * Return: -EIOCBQUEUED if it completes later, or as sst_write().
 */
ssize_t sst_aio_write(struct kiocb *iocb, struct iov_iter *from)
{
	struct sst_aio *aio = sst_aio_get(iocb->ki_filp->private_data);

	return aio ? sst_aio_submit(aio, &aio->writes, iocb, from) : -ENOMEM;
}

/**
 * sst_aio_free() - free what a file had for calls that complete later
 * @file: the file, which nobody uses any more; all of its calls have completed
 *
 * Context: Process context, may sleep.
 */
void sst_aio_free(struct sst_file *file)
{
	struct sst_aio *aio = file->aio;
	struct sst_aio_call *call, *next;

	if (!aio)
		return;

	sst_aio_stop_waiting(aio, &aio->reads);
	sst_aio_stop_waiting(aio, &aio->writes);
	cancel_work_sync(&aio->work);
	list_for_each_entry_safe(call, next, &aio->idle, node)
		kfree(call);
	kfree(aio);
}

/**
 * sst_aio_init() - get what the work is done with
 *
 * Context: Process context.
 * Return: 0 or -ENOMEM.
 */
int __init sst_aio_init(void)
{
	sst_aio_wq = alloc_workqueue("virtio-sst-aio", WQ_UNBOUND, 0);

	return sst_aio_wq ? 0 : -ENOMEM;
}

/**
 * sst_aio_exit() - undo sst_aio_init()
 *
 * Context: Process context.
 */
void sst_aio_exit(void)
{
	destroy_workqueue(sst_aio_wq);
}
