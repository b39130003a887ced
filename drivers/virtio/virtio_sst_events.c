// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: events, from the event queue to the file descriptors that
 * programs read them from.
 *
 * The interrupt only queues a work item: how much there is to do is up to those who open
 * the device. The work takes events off the virtqueue in batches, whose buffers go back
 * to the device, and gives each batch to one reader after the other.
 *
 * Each reader has a ring of its own, allocated when its descriptor is made. In a ring
 * that is full the oldest event makes room for a new one. What a reader lost is always
 * what came right before the oldest event that it still has, so that a number is enough
 * to tell it: an event of the driver's own is made of it when it is read.
 *
 * Nothing here needs the virtio device once it is gone: a descriptor outlives it.
 */

#include <linux/anon_inodes.h>
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/device.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/lockdep.h>
#include <linux/log2.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uidgid.h>
#include <linux/uio.h>
#include <linux/virtio.h>

#include "virtio_sst_internal.h"
#include "virtio_sst_trace.h"

/* Buffers on the event queue: what comes while the driver gets no CPU has to fit. */
#define SST_EVENT_BUFFERS_MAX	256

/* Readers that were made from one open file of a device */
#define SST_EVENT_READERS_MAX	8

/* Readers of a device that one user has made: each event takes longer for each of them */
#define SST_EVENT_USER_READERS_MAX	1024

/* Events that are copied to a program at once */
#define SST_EVENT_COPY		16

/**
 * struct sst_event_reader - a file descriptor that events are read from
 * @sst: the device, to which it has a reference
 * @node: on &sst_event_queue.readers
 * @serial: &sst_file.serial of the open file that it was made from, which may be closed
 * @user: who has made it
 * @wait: who waits for events of this reader
 * @turn: held by who takes events: nobody else may, before they are copied
 * @lock: protects @first to @events. &sst_event_queue.lock nests in it
 * @first: number of the oldest event kept
 * @next: number of the next event to come
 * @lost: events right before @first that are not told as lost yet
 * @capacity: size of @events, a power of two; constant
 * @events: the events, event n at n modulo @capacity
 */
struct sst_event_reader {
	struct sst_device *sst;
	struct list_head node;
	u64 serial;
	kuid_t user;
	wait_queue_head_t wait;
	struct mutex turn;	/* taking events */
	spinlock_t lock;	/* what the kernel-doc says */
	u64 first;
	u64 next;
	u64 lost;
	unsigned int capacity;
	struct sst_event events[] __counted_by(capacity);
};

/* Giving events to readers */

static bool sst_event_reader_full(const struct sst_event_reader *reader)
{
	return reader->next - reader->first == reader->capacity;
}

/* Count events that a reader has no room for. */
static void sst_event_reader_lose(struct sst_event_reader *reader, unsigned int n)
{
	struct sst_event_queue *events = &reader->sst->events;

	lockdep_assert_held(&reader->lock);
	reader->lost += n;
	spin_lock_irq(&events->lock);
	events->lost += n;
	spin_unlock_irq(&events->lock);
}

static void sst_event_reader_wake(struct sst_event_reader *reader)
{
	wake_up_interruptible_poll(&reader->wait, EPOLLIN | EPOLLRDNORM);
}

/* Give events to a reader. Nobody expects any more of a device that is gone. */
static void sst_event_reader_give(struct sst_event_reader *reader,
				  const struct sst_event *batch, unsigned int n)
{
	unsigned int i, lost = 0;
	bool gone;

	spin_lock(&reader->lock);
	gone = READ_ONCE(reader->sst->gone);
	for (i = 0; i < n && !gone; i++) {
		if (sst_event_reader_full(reader)) {
			reader->first++;
			lost++;
		}
		reader->events[reader->next++ & (reader->capacity - 1)] = batch[i];
	}
	if (lost)
		sst_event_reader_lose(reader, lost);
	spin_unlock(&reader->lock);
	if (!gone)
		sst_event_reader_wake(reader);
}

static void sst_events_give(struct sst_event_queue *events, const struct sst_event *batch,
			    unsigned int n)
{
	struct sst_event_reader *reader;

	lockdep_assert_held(&events->turn);
	if (!n)
		return;

	list_for_each_entry(reader, &events->readers, node) {
		sst_event_reader_give(reader, batch, n);
		cond_resched();
	}
}

/* Receiving */

/* Returns false if it is none. */
static bool sst_event_receive(struct sst_event_queue *events, void *buffer, u32 length,
			      struct sst_event *event)
{
	struct sst_device *sst = container_of(events, struct sst_device, events);

	/* Once, since the device may still write to it */
	memcpy(event, buffer, sizeof(*event));
	/* A shorter one must not be completed by this one. */
	memset(buffer, 0, sizeof(*event));
	trace_sst_event(sst, event, length);
	if (length != sizeof(*event)) {
		events->malformed++;
		sst_netlink_fault(sst);
		return false;
	}

	event->flags = 0;
	events->received++;
	return true;
}

/* Take up to a batch of events. Returns true if there may be more. */
static bool sst_events_collect(struct sst_event_queue *events, unsigned int *n)
{
	struct virtqueue *vq = events->inbox.vq;
	unsigned int budget = SST_EVENT_BATCH;
	void *buffer;
	u32 length;

	lockdep_assert_held(&events->lock);
	for (; budget; budget--) {
		buffer = virtqueue_get_buf(vq, &length);
		if (!buffer)
			return false;
		*n += sst_event_receive(events, buffer, length, &events->batch[*n]);
		if (!events->stopped)
			sst_inbox_post(&events->inbox, buffer);
	}
	return true;
}

/*
 * Take a batch of events and give it to the readers, in a context in which the virtqueue
 * can't be deleted. Returns true if there may be more: if not, the device interrupts.
 */
static bool sst_events_take(struct sst_event_queue *events)
{
	struct virtqueue *vq = events->inbox.vq;
	unsigned int n = 0;
	bool more, kick = false;

	/* Held until they are given, so that others can't give later ones before. */
	mutex_lock(&events->turn);
	spin_lock_irq(&events->lock);
	if (!events->stopped)
		virtqueue_disable_cb(vq);
	more = sst_events_collect(events, &n);
	if (!events->stopped) {
		more = more || !virtqueue_enable_cb(vq);
		kick = sst_inbox_kick_prepare(&events->inbox);
	}
	spin_unlock_irq(&events->lock);
	sst_events_give(events, events->batch, n);
	mutex_unlock(&events->turn);
	if (kick)
		virtqueue_notify(vq);

	return more;
}

static void sst_events_work(struct work_struct *work)
{
	struct sst_event_queue *events = container_of(work, struct sst_event_queue, work);

	while (sst_events_take(events))
		cond_resched();
}

/**
 * sst_events_callback() - have what has come on the event queue taken
 * @vq: the event queue
 *
 * The work is not bound to this CPU, where others may keep it waiting, and of no higher
 * priority than programs, so that nobody gets more of a CPU by it than others.
 *
 * Context: Any context in which the virtqueue can't be deleted.
 */
void sst_events_callback(struct virtqueue *vq)
{
	struct sst_device *sst = vq->vdev->priv;
	struct sst_event_queue *events = &sst->events;
	unsigned long flags;

	spin_lock_irqsave(&events->lock, flags);
	if (!events->stopped) {
		virtqueue_disable_cb(vq);
		queue_work(system_dfl_wq, &events->work);
	}
	spin_unlock_irqrestore(&events->lock, flags);
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
	mutex_init(&events->turn);
	INIT_LIST_HEAD(&events->readers);
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
 * Context: Process context, may sleep. Takes and releases the locks of the event queue.
 */
void sst_events_open(struct sst_event_queue *events, u64 resets)
{
	const struct sst_event reset = {
		.type = cpu_to_le32(SST_EVENT_RESET),
		.flags = cpu_to_le32(SST_EVENT_F_DRIVER),
		.data = cpu_to_le64(resets),
	};
	bool kick;

	if (resets) {
		mutex_lock(&events->turn);
		sst_events_give(events, &reset, 1);
		mutex_unlock(&events->turn);
	}

	spin_lock_irq(&events->lock);
	sst_inbox_stock(&events->inbox);
	kick = sst_inbox_kick_prepare(&events->inbox);
	spin_unlock_irq(&events->lock);
	if (kick)
		virtqueue_notify(events->inbox.vq);
}

/**
 * sst_events_detach() - make an event queue leave its virtqueue alone
 * @events: the event queue, of a device that was reset
 *
 * What the device has sent is received.
 *
 * Context: Process context, may sleep. Takes and releases the locks of the event queue.
 */
void sst_events_detach(struct sst_event_queue *events)
{
	struct virtqueue *vq = events->inbox.vq;

	/* The callback does not queue the work after this. */
	spin_lock_irq(&events->lock);
	events->stopped = true;
	spin_unlock_irq(&events->lock);
	cancel_work_sync(&events->work);

	while (sst_events_take(events))
		cond_resched();
	while (virtqueue_detach_unused_buf(vq))
		;
}

/**
 * sst_events_wake() - wake those who wait for events of a device that is gone
 * @events: the event queue
 *
 * Nothing is done as long as it is there: only events end their waiting then.
 *
 * Context: Process context, may sleep. Takes and releases a lock of the event queue.
 */
void sst_events_wake(struct sst_event_queue *events)
{
	struct sst_device *sst = container_of(events, struct sst_device, events);
	struct sst_event_reader *reader;

	if (!READ_ONCE(sst->gone))
		return;

	mutex_lock(&events->turn);
	list_for_each_entry(reader, &events->readers, node) {
		wake_up_all(&reader->wait);
		cond_resched();
	}
	mutex_unlock(&events->turn);
}

/* Readers */

/* Returns 0 if there is an event to be read, or why there is none. */
static int sst_event_reader_look(struct sst_event_reader *reader)
{
	int ret = 0;

	/* With the lock, so that none is added once somebody was told that all is over */
	spin_lock(&reader->lock);
	if (!reader->lost && reader->first == reader->next)
		ret = READ_ONCE(reader->sst->gone) ? -ENODEV : -EAGAIN;
	spin_unlock(&reader->lock);

	return ret;
}

/* Wait for an event. Returns 0, -ENODEV, -ERESTARTSYS, or, if @nowait, -EAGAIN. */
static int sst_event_reader_wait(struct sst_event_reader *reader, bool nowait)
{
	int ret, state;

	if (nowait)
		return sst_event_reader_look(reader);

	ret = wait_event_interruptible(reader->wait,
				       (state = sst_event_reader_look(reader)) != -EAGAIN);
	return ret ?: state;
}

/* Take up to @wanted events. Returns their number. */
static unsigned int sst_event_reader_take(struct sst_event_reader *reader,
					  struct sst_event *batch, unsigned int wanted)
{
	unsigned int n = 0;

	spin_lock(&reader->lock);
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
	spin_unlock(&reader->lock);

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
	spin_lock(&reader->lock);
	while (n--) {
		if (sst_event_is_overrun(&batch[n]))
			reader->lost += le64_to_cpu(batch[n].data);
		else if (!reader->lost && !sst_event_reader_full(reader))
			reader->first--;
		else
			sst_event_reader_lose(reader, 1);
	}
	spin_unlock(&reader->lock);
	/* Those who share the reader may have found nothing meanwhile. */
	sst_event_reader_wake(reader);
}

/* Returns the bytes copied, 0 if others have taken all events, or -EFAULT. */
static ssize_t sst_event_reader_copy(struct sst_event_reader *reader, struct iov_iter *to)
{
	/* No more than it has: more may come all the time */
	size_t wanted = min_t(size_t, iov_iter_count(to) / sizeof(struct sst_event),
			      reader->capacity + 1);
	struct sst_event batch[SST_EVENT_COPY];
	unsigned int n, copied;
	size_t total = 0;

	do {
		n = sst_event_reader_take(reader, batch,
					  min_t(size_t, wanted - total, SST_EVENT_COPY));
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

	poll_wait(filp, &reader->wait, wait);

	if (READ_ONCE(reader->sst->gone))
		mask |= EPOLLHUP | EPOLLERR;
	if (sst_event_reader_look(reader) != -EAGAIN)
		mask |= EPOLLIN | EPOLLRDNORM;

	return mask;
}

static void sst_event_reader_free(struct sst_event_reader *reader)
{
	struct sst_device *sst = reader->sst;

	mutex_lock(&sst->events.turn);
	list_del(&reader->node);
	mutex_unlock(&sst->events.turn);
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

/*
 * Returns 0, or why there is no room for a reader. Those of a file that is closed count for
 * no other file: nobody has its serial again.
 */
static int sst_event_reader_failure(struct sst_event_queue *events,
				    const struct sst_event_reader *reader)
{
	const struct sst_event_reader *other;
	unsigned int file = 0, user = 0;

	lockdep_assert_held(&events->turn);
	list_for_each_entry(other, &events->readers, node) {
		file += other->serial == reader->serial;
		user += uid_eq(other->user, reader->user);
	}
	if (file >= SST_EVENT_READERS_MAX)
		return -EBUSY;
	if (user >= SST_EVENT_USER_READERS_MAX && !capable(CAP_SYS_RESOURCE))
		return -EMFILE;

	return 0;
}

/* Have a reader get events from now on. Returns 0, -EBUSY or -EMFILE. */
static int sst_event_reader_add(struct sst_event_reader *reader)
{
	struct sst_event_queue *events = &reader->sst->events;
	int ret;

	mutex_lock(&events->turn);
	ret = sst_event_reader_failure(events, reader);
	if (!ret)
		list_add_tail(&reader->node, &events->readers);
	mutex_unlock(&events->turn);

	return ret;
}

/* Returns a reader that gets events, or an error pointer. */
static struct sst_event_reader *sst_event_reader_new(const struct sst_file *file, u32 capacity)
{
	struct sst_event_reader *reader;
	int ret;

	capacity = roundup_pow_of_two(capacity ?: SST_EVENT_CAPACITY_DEFAULT);
	reader = kvzalloc(struct_size(reader, events, capacity), GFP_KERNEL_ACCOUNT);
	if (!reader)
		return ERR_PTR(-ENOMEM);

	reader->sst = file->sst;
	reader->serial = file->serial;
	reader->user = current_uid();
	reader->capacity = capacity;
	init_waitqueue_head(&reader->wait);
	mutex_init(&reader->turn);
	spin_lock_init(&reader->lock);
	ret = sst_event_reader_add(reader);
	if (ret) {
		kvfree(reader);
		return ERR_PTR(ret);
	}
	get_device(&reader->sst->dev);

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
 *	* -EBUSY: the file has as many readers as it may have
 *	* -EFAULT
 *	* -EINVAL: an unknown flag, a capacity out of range, a field that is not 0
 *	* -EMFILE: so has the user, or the process as many descriptors
 *	* -ENOMEM, -ENFILE
 */
int sst_event_fd(struct file *filp, const struct sst_event_setup __user *arg)
{
	const struct sst_file *file = filp->private_data;
	struct sst_event_reader *reader;
	struct sst_event_setup setup;
	int fd;

	if (!(filp->f_mode & FMODE_READ))
		return -EBADF;
	if (copy_from_user(&setup, arg, sizeof(setup)))
		return -EFAULT;
	if (!sst_event_setup_valid(&setup))
		return -EINVAL;

	reader = sst_event_reader_new(file, setup.capacity);
	if (IS_ERR(reader))
		return PTR_ERR(reader);

	fd = sst_event_install(reader, setup.flags);
	if (fd < 0)
		sst_event_reader_free(reader);

	return fd;
}
