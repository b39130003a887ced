// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: events, from the event queue to the file descriptors that
 * programs read them from.
 *
 * Each reader has a ring of its own, allocated when its descriptor is made. An event
 * is copied into all rings as soon as it has come, and its buffer goes back to the
 * device. In a ring that is full the oldest event makes room for it. What a reader
 * lost is always what came right before the oldest event that it still has, so that a
 * number is enough to tell it: an event of the driver's own is made of it when it is
 * read.
 *
 * Nothing here needs the virtio device once it is gone: a descriptor outlives it.
 */

#include <linux/anon_inodes.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/virtio.h>

#include "virtio_sst_internal.h"
#include "virtio_sst_trace.h"

/* Buffers on the event queue: what comes while the driver gets no CPU has to fit. */
#define SST_EVENT_BUFFERS_MAX	256

/* Readers of a device: events are copied to all of them in the device's interrupt. */
#define SST_EVENT_READERS_MAX	256

/* Events that are copied between two holds of the lock */
#define SST_EVENT_BATCH		16

/*
 * Times that so many are taken between two looks at anything else: a device must not
 * keep a CPU busy by sending more and more of them.
 */
#define SST_EVENT_PASSES	32

/**
 * struct sst_event_reader - a file descriptor that events are read from
 * @sst: the device, to which it has a reference
 * @node: on &sst_event_queue.readers
 * @turn: held by who takes events: nobody else may, before they are copied
 * @first: number of the oldest event kept, protected by &sst_event_queue.lock as the
 *	rest
 * @next: number of the next event to come
 * @lost: events right before @first that are not told as lost yet
 * @capacity: size of @events, a power of two; constant
 * @events: the events, event n at n modulo @capacity
 */
struct sst_event_reader {
	struct sst_device *sst;
	struct list_head node;
	struct mutex turn;	/* taking events */
	u64 first;
	u64 next;
	u64 lost;
	unsigned int capacity;
	struct sst_event events[] __counted_by(capacity);
};

/* Receiving */

static bool sst_event_reader_full(const struct sst_event_reader *reader)
{
	return reader->next - reader->first == reader->capacity;
}

/* Give an event to all readers. Nobody expects any more of a device that is gone. */
static void sst_events_add(struct sst_event_queue *events, const struct sst_event *event)
{
	struct sst_device *sst = container_of(events, struct sst_device, events);
	struct sst_event_reader *reader;

	lockdep_assert_held(&events->lock);
	if (READ_ONCE(sst->gone))
		return;

	list_for_each_entry(reader, &events->readers, node) {
		if (sst_event_reader_full(reader)) {
			reader->first++;
			reader->lost++;
			events->lost++;
		}
		reader->events[reader->next++ & (reader->capacity - 1)] = *event;
	}
}

static void sst_events_receive(struct sst_event_queue *events, const void *buffer, u32 length)
{
	struct sst_device *sst = container_of(events, struct sst_device, events);
	struct sst_event event;

	trace_sst_event(sst, buffer, length);
	if (length != sizeof(event)) {
		events->malformed++;
		sst_netlink_fault(sst);
		return;
	}

	/* Once, since the device may still write to it */
	memcpy(&event, buffer, sizeof(event));
	event.flags = 0;
	events->received++;
	sst_events_add(events, &event);
}

/* Returns true if there may be more. */
static bool sst_events_collect(struct sst_event_queue *events)
{
	struct virtqueue *vq = events->inbox.vq;
	unsigned int budget = SST_EVENT_BATCH;
	void *buffer;
	u32 length;

	virtqueue_disable_cb(vq);
	for (; budget; budget--) {
		buffer = virtqueue_get_buf(vq, &length);
		if (!buffer)
			return !virtqueue_enable_cb(vq);
		sst_events_receive(events, buffer, length);
		sst_inbox_post(&events->inbox, buffer);
	}
	return true;
}

/* Who waits for the events that have come looks at his own. */
static void sst_events_wake(struct sst_event_queue *events)
{
	wake_up_interruptible_poll(&events->wait, EPOLLIN | EPOLLRDNORM);
}

/* Take what has come, in any context in which the virtqueue can't be deleted. */
static void sst_events_drain(struct sst_event_queue *events)
{
	struct virtqueue *vq = NULL;
	unsigned int passes = 0;
	unsigned long flags;
	bool more;

	do {
		spin_lock_irqsave(&events->lock, flags);
		more = !events->stopped && sst_events_collect(events);
		if (more && ++passes == SST_EVENT_PASSES) {
			queue_work(system_dfl_wq, &events->work);
			more = false;
		}
		if (!events->stopped && !more && sst_inbox_kick_prepare(&events->inbox))
			vq = events->inbox.vq;
		spin_unlock_irqrestore(&events->lock, flags);
		sst_events_wake(events);
	} while (more);
	if (vq)
		virtqueue_notify(vq);
}

static void sst_events_work(struct work_struct *work)
{
	sst_events_drain(container_of(work, struct sst_event_queue, work));
}

/**
 * sst_events_callback() - take what has come on the event queue
 * @vq: the event queue
 *
 * Context: Interrupt context.
 */
void sst_events_callback(struct virtqueue *vq)
{
	struct sst_device *sst = vq->vdev->priv;

	sst_events_drain(&sst->events);
}

/* Start and stop */

/**
 * sst_events_init() - prepare an event queue that has no virtqueue yet
 * @events: the event queue, all zero
 *
 * Context: Process context.
 */
void sst_events_init(struct sst_event_queue *events)
{
	spin_lock_init(&events->lock);
	INIT_LIST_HEAD(&events->readers);
	init_waitqueue_head(&events->wait);
	INIT_WORK(&events->work, sst_events_work);
	events->stopped = true;
}

/**
 * sst_events_alloc() - get the buffers of an event queue
 * @events: the event queue
 *
 * Context: Process context, may sleep.
 * Return: 0 or -ENOMEM.
 */
int sst_events_alloc(struct sst_event_queue *events)
{
	return sst_inbox_alloc(&events->inbox, SST_EVENT_BUFFERS_MAX,
			       sizeof(struct sst_event));
}

/**
 * sst_events_attach() - let an event queue use a virtqueue
 * @events: the event queue, which has none
 * @vq: the virtqueue
 *
 * Context: Process context. Takes and releases the lock of the event queue.
 */
void sst_events_attach(struct sst_event_queue *events, struct virtqueue *vq)
{
	spin_lock_irq(&events->lock);
	events->inbox.vq = vq;
	events->stopped = false;
	spin_unlock_irq(&events->lock);
}

/**
 * sst_events_open() - let the device send events
 * @events: the event queue, whose device is ready
 * @resets: how often the device has been started again, this time included, or 0
 *
 * Context: Process context. Takes and releases the lock of the event queue.
 */
void sst_events_open(struct sst_event_queue *events, u64 resets)
{
	const struct sst_event reset = {
		.type = cpu_to_le32(SST_EVENT_RESET),
		.flags = cpu_to_le32(SST_EVENT_F_DRIVER),
		.data = cpu_to_le64(resets),
	};
	bool kick;

	spin_lock_irq(&events->lock);
	if (resets)
		sst_events_add(events, &reset);
	sst_inbox_stock(&events->inbox);
	kick = sst_inbox_kick_prepare(&events->inbox);
	spin_unlock_irq(&events->lock);
	if (kick)
		virtqueue_notify(events->inbox.vq);
	sst_events_wake(events);
}

/**
 * sst_events_detach() - make an event queue leave its virtqueue alone
 * @events: the event queue, of a device that was reset
 *
 * What the device has sent is received.
 *
 * Context: Process context, may sleep. Takes and releases the lock of the event queue.
 */
void sst_events_detach(struct sst_event_queue *events)
{
	struct virtqueue *vq = events->inbox.vq;
	void *buffer;
	u32 length;

	spin_lock_irq(&events->lock);
	events->stopped = true;
	while ((buffer = virtqueue_get_buf(vq, &length)))
		sst_events_receive(events, buffer, length);
	while (virtqueue_detach_unused_buf(vq))
		;
	spin_unlock_irq(&events->lock);
	sst_events_wake(events);

	cancel_work_sync(&events->work);
}

/* Readers */

/* Returns 0 if there is an event to be read, or why there is none. */
static int sst_event_reader_look(struct sst_event_reader *reader)
{
	struct sst_event_queue *events = &reader->sst->events;
	int ret = 0;

	/* With the lock, so that none is added once somebody was told that all is over */
	spin_lock_irq(&events->lock);
	if (!reader->lost && reader->first == reader->next)
		ret = READ_ONCE(reader->sst->gone) ? -ENODEV : -EAGAIN;
	spin_unlock_irq(&events->lock);

	return ret;
}

/* Wait for an event. Returns 0, -ENODEV, -ERESTARTSYS, or, if @nowait, -EAGAIN. */
static int sst_event_reader_wait(struct sst_event_reader *reader, bool nowait)
{
	int ret, state;

	if (nowait)
		return sst_event_reader_look(reader);

	ret = wait_event_interruptible(reader->sst->events.wait,
				       (state = sst_event_reader_look(reader)) != -EAGAIN);
	return ret ?: state;
}

/* Take up to @wanted events. Returns their number. */
static unsigned int sst_event_reader_take(struct sst_event_reader *reader,
					  struct sst_event *batch, unsigned int wanted)
{
	struct sst_event_queue *events = &reader->sst->events;
	unsigned int n = 0;

	spin_lock_irq(&events->lock);
	if (reader->lost && wanted) {
		batch[n++] = (struct sst_event) {
			.type = cpu_to_le32(SST_EVENT_OVERRUN),
			.flags = cpu_to_le32(SST_EVENT_F_DRIVER),
			.data = cpu_to_le64(reader->lost),
		};
		reader->lost = 0;
	}
	while (n < wanted && reader->first != reader->next)
		batch[n++] = reader->events[reader->first++ & (reader->capacity - 1)];
	spin_unlock_irq(&events->lock);

	return n;
}

static bool sst_event_is_overrun(const struct sst_event *event)
{
	return event->flags == cpu_to_le32(SST_EVENT_F_DRIVER) &&
	       event->type == cpu_to_le32(SST_EVENT_OVERRUN);
}

/*
 * The last @n events that were taken could not be copied, and come again. They are still
 * in the ring, except for those whose places newer ones have taken.
 */
static void sst_event_reader_put_back(struct sst_event_reader *reader,
				      const struct sst_event *batch, unsigned int n)
{
	struct sst_event_queue *events = &reader->sst->events;

	spin_lock_irq(&events->lock);
	while (n--) {
		if (sst_event_is_overrun(&batch[n])) {
			reader->lost += le64_to_cpu(batch[n].data);
		} else if (!reader->lost && !sst_event_reader_full(reader)) {
			reader->first--;
		} else {
			reader->lost++;
			events->lost++;
		}
	}
	spin_unlock_irq(&events->lock);
	/* Others may have found nothing meanwhile. */
	sst_events_wake(events);
}

/* Returns the bytes copied, 0 if others have taken all events, or -EFAULT. */
static ssize_t sst_event_reader_copy(struct sst_event_reader *reader, struct iov_iter *to)
{
	/* No more than it has: more may come all the time */
	size_t wanted = min_t(size_t, iov_iter_count(to) / sizeof(struct sst_event),
			      reader->capacity + 1);
	struct sst_event batch[SST_EVENT_BATCH];
	unsigned int n, copied;
	size_t total = 0;

	do {
		n = sst_event_reader_take(reader, batch,
					  min_t(size_t, wanted - total, SST_EVENT_BATCH));
		copied = copy_to_iter(batch, n * sizeof(*batch), to) / sizeof(*batch);
		total += copied;
		if (copied < n) {
			sst_event_reader_put_back(reader, batch + copied, n - copied);
			return total ? total * sizeof(*batch) : -EFAULT;
		}
	} while (n && total < wanted);

	return total * sizeof(*batch);
}

static ssize_t sst_event_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct file *filp = iocb->ki_filp;
	bool nowait = iocb->ki_flags & IOCB_NOWAIT || filp->f_flags & O_NONBLOCK;
	struct sst_event_reader *reader = filp->private_data;
	ssize_t ret;

	if (iov_iter_count(to) < sizeof(struct sst_event))
		return -EINVAL;

	do {
		ret = sst_event_reader_wait(reader, nowait);
		if (ret)
			return ret;
		if (nowait && !mutex_trylock(&reader->turn))
			return -EAGAIN;
		if (!nowait && mutex_lock_interruptible(&reader->turn))
			return -ERESTARTSYS;
		ret = sst_event_reader_copy(reader, to);
		mutex_unlock(&reader->turn);
	} while (!ret);

	return ret;
}

static __poll_t sst_event_poll(struct file *filp, struct poll_table_struct *wait)
{
	struct sst_event_reader *reader = filp->private_data;
	__poll_t mask = 0;

	poll_wait(filp, &reader->sst->events.wait, wait);

	if (READ_ONCE(reader->sst->gone))
		mask |= EPOLLHUP | EPOLLERR;
	if (sst_event_reader_look(reader) != -EAGAIN)
		mask |= EPOLLIN | EPOLLRDNORM;

	return mask;
}

static void sst_event_reader_free(struct sst_event_reader *reader)
{
	struct sst_device *sst = reader->sst;

	spin_lock_irq(&sst->events.lock);
	list_del(&reader->node);
	sst->events.nr_readers--;
	spin_unlock_irq(&sst->events.lock);
	kvfree(reader);
	put_device(&sst->dev);
}

static int sst_event_release(struct inode *inode, struct file *filp)
{
	sst_event_reader_free(filp->private_data);
	return 0;
}

static const struct file_operations sst_event_fops = {
	.owner = THIS_MODULE,
	.release = sst_event_release,
	.read_iter = sst_event_read_iter,
	.poll = sst_event_poll,
};

/* Have a reader get events from now on. Returns 0 or -EBUSY. */
static int sst_event_reader_add(struct sst_event_reader *reader)
{
	struct sst_event_queue *events = &reader->sst->events;
	int ret = -EBUSY;

	spin_lock_irq(&events->lock);
	if (events->nr_readers < SST_EVENT_READERS_MAX) {
		events->nr_readers++;
		list_add_tail(&reader->node, &events->readers);
		ret = 0;
	}
	spin_unlock_irq(&events->lock);

	return ret;
}

/* Returns a reader that gets events, or an error pointer. */
static struct sst_event_reader *sst_event_reader_new(struct sst_device *sst, u32 capacity)
{
	struct sst_event_reader *reader;
	int ret;

	capacity = roundup_pow_of_two(capacity ?: SST_EVENT_CAPACITY_DEFAULT);
	reader = kvzalloc(struct_size(reader, events, capacity), GFP_KERNEL_ACCOUNT);
	if (!reader)
		return ERR_PTR(-ENOMEM);

	reader->sst = sst;
	reader->capacity = capacity;
	mutex_init(&reader->turn);
	ret = sst_event_reader_add(reader);
	if (ret) {
		kvfree(reader);
		return ERR_PTR(ret);
	}
	get_device(&sst->dev);

	return reader;
}

/* Returns a file descriptor, or a negative error code. */
static int sst_event_install(struct sst_event_reader *reader, u32 flags)
{
	int nonblock = flags & SST_EVENT_NONBLOCK ? O_NONBLOCK : 0;
	struct file *filp;
	int fd;

	fd = get_unused_fd_flags(flags & SST_EVENT_CLOEXEC ? O_CLOEXEC : 0);
	if (fd < 0)
		return fd;

	filp = anon_inode_getfile("[" SST_NAME "-events]", &sst_event_fops, reader,
				  O_RDONLY | nonblock);
	if (IS_ERR(filp)) {
		put_unused_fd(fd);
		return PTR_ERR(filp);
	}
	stream_open(file_inode(filp), filp);
	filp->f_mode |= FMODE_NOWAIT;
	fd_install(fd, filp);

	return fd;
}

static bool sst_event_setup_valid(const struct sst_event_setup *setup)
{
	return !(setup->flags & ~(SST_EVENT_CLOEXEC | SST_EVENT_NONBLOCK)) &&
	       setup->capacity <= SST_EVENT_CAPACITY_MAX &&
	       !memchr_inv(setup->reserved, 0, sizeof(setup->reserved));
}

/**
 * sst_event_fd() - give a program a file descriptor to read events from
 * @filp: the open file of the device
 * @arg: how they are to be read
 *
 * Context: Process context, may sleep.
 * Return: the descriptor, or
 *	* -EBADF: @filp is not open for reading
 *	* -EBUSY: the device has as many readers as it may have
 *	* -EFAULT
 *	* -EINVAL: an unknown flag, a capacity out of range, a field that is not 0
 *	* -ENOMEM, -EMFILE, -ENFILE
 */
int sst_event_fd(struct file *filp, const struct sst_event_setup __user *arg)
{
	struct sst_file *file = filp->private_data;
	struct sst_event_reader *reader;
	struct sst_event_setup setup;
	int fd;

	if (!(filp->f_mode & FMODE_READ))
		return -EBADF;
	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (!sst_event_setup_valid(&setup))
		return -EINVAL;

	reader = sst_event_reader_new(file->sst, setup.capacity);
	if (IS_ERR(reader))
		return PTR_ERR(reader);

	fd = sst_event_install(reader, setup.flags);
	if (fd < 0)
		sst_event_reader_free(reader);

	return fd;
}
