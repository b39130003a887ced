// SPDX-License-Identifier: GPL-2.0-only
/*
 * KUnit tests of the virtio SST driver with a device of their own.
 *
 * The device is a transport and a device at once. It does at a test's wish what
 * others do seldom, and what is hard to bring about from outside: notifications
 * that take long, resets and failures in the middle of them. The tests look at the
 * driver from both its ends, as the device and as a program that has the character
 * device open; they need that in /dev.
 */

#include <kunit/device.h>
#include <kunit/test.h>
#include <linux/atomic.h>
#include <linux/completion.h>
#include <linux/delay.h>
#include <linux/err.h>
#include <linux/fdtable.h>
#include <linux/file.h>
#include <linux/fs.h>
#include <linux/fs_struct.h>
#include <linux/io.h>
#include <linux/jiffies.h>
#include <linux/mman.h>
#include <linux/module.h>
#include <linux/poll.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_ring.h>
#include <linux/wait.h>
#include <linux/workqueue.h>

#include "../virtio_sst_internal.h"

/* For what has to happen */
#define SST_FAKE_PATIENCE	(10 * HZ)

/* For what must not happen, longer than the shortest time-out below */
#define SST_FAKE_GLANCE_MS	250

#define SST_FAKE_TIMEOUT_MS	50

/* The driver's least distance between resets that nobody asked it for */
#define SST_FAKE_RESET_INTERVAL_MS	1000

#define SST_FAKE_RING_SIZE	16

/* Room for a write() of more requests than any ring here has room for */
#define SST_FAKE_REQUESTS_MAX	40

/* virtqueue order */
enum {
	SST_FAKE_VQ_REQUEST,
	SST_FAKE_VQ_RESPONSE,
	SST_FAKE_VQ_EVENT,
	SST_FAKE_NR_VQS,
};

struct sst_fake;

/**
 * struct sst_fake_job - what is to be done while the test does something else
 * @work: calls @run
 * @fake: the device
 * @run: the function
 * @done: completed when @run has returned
 * @user_data: of the request, for a job that writes one
 * @result: what @run found out
 */
struct sst_fake_job {
	struct work_struct work;
	struct sst_fake *fake;
	void (*run)(struct sst_fake_job *job);
	struct completion done;
	u64 user_data;
	ssize_t result;
};

/**
 * struct sst_fake - a device, and a program that uses it
 * @vdev: the virtio device
 * @ops: what it can do
 * @registered: @vdev is registered
 * @released: completed when nobody has a reference to @vdev any more
 * @lock: protects @status, @vqs and @next, and is held during a callback
 * @status: the device's status byte
 * @vqs: the virtqueues, NULL where there is none
 * @next: how many buffers of each the device has seen
 * @nr_vqs: number of virtqueues in existence
 * @nr_resets: how often the device was reset since it last had virtqueues
 * @reset_at: when the device was reset last while it had virtqueues, in jiffies
 * @stopped: completed each time that this happens
 * @ready: completed each time that the device is told that its driver is ready
 * @max_queues: pairs of queues that the device speaks of at the next probe, whatever
 *	virtqueues it has
 * @ring_size: size of the request queue at the next start
 * @find_vqs_error: what finding the virtqueues gives
 * @finalize_error: what the negotiation of features gives
 * @refuse_features: the device does not accept FEATURES_OK
 * @slow_features: the negotiation takes long enough for others to go to sleep
 * @notify_fails: notifications fail until the device is reset
 * @to_hold: so many notifications of the request queue are to be held
 * @nr_held: how many were; the last one's number
 * @nr_released: up to which number they may end
 * @kick_begun: completed each time that a notification is held
 * @kick_release: where held notifications wait
 * @nr_kicks: number of notifications of the request queue
 * @kicking: number of those that are not over
 * @fault: what the driver did that no device could stand, or NULL
 * @nothing_to_read: the program has requests in flight, and no response to read
 *	before the virtqueues are deleted
 * @file: the program's open file, which does not block
 * @blocking: another one, which does
 * @writer: writes a request
 * @second_writer: the same
 * @reader: reads from @blocking
 * @stopper: removes or resets the device
 */
struct sst_fake {
	struct virtio_device vdev;
	struct virtio_config_ops ops;
	bool registered;
	struct completion released;
	spinlock_t lock;	/* what the kernel-doc says */
	u8 status;
	struct virtqueue *vqs[SST_FAKE_NR_VQS];
	u16 next[SST_FAKE_NR_VQS];
	unsigned int nr_vqs;
	unsigned int nr_resets;
	unsigned long reset_at;
	struct completion stopped;
	struct completion ready;
	unsigned int max_queues;
	unsigned int ring_size;
	int find_vqs_error;
	int finalize_error;
	bool refuse_features;
	bool slow_features;
	bool notify_fails;
	atomic_t to_hold;
	atomic_t nr_held;
	int nr_released;
	struct completion kick_begun;
	wait_queue_head_t kick_release;
	atomic_t nr_kicks;
	atomic_t kicking;
	const char *fault;
	bool nothing_to_read;
	struct file *file;
	struct file *blocking;
	struct sst_fake_job writer;
	struct sst_fake_job second_writer;
	struct sst_fake_job reader;
	struct sst_fake_job stopper;
};

/**
 * struct sst_fake_chain - a request that the device has taken
 * @head: number of its first descriptor
 * @request: what the driver wrote
 * @response: where the device writes
 */
struct sst_fake_chain {
	u16 head;
	const struct sst_request *request;
	struct sst_response *response;
};

static struct sst_fake *to_sst_fake(struct virtio_device *vdev)
{
	return container_of(vdev, struct sst_fake, vdev);
}

/* The transport */

static void sst_fake_get(struct virtio_device *vdev, unsigned int offset, void *buf,
			 unsigned int len)
{
	const struct sst_config config = {
		.version = cpu_to_le32(SST_WIRE_VERSION),
		.max_queues = cpu_to_le64(to_sst_fake(vdev)->max_queues),
	};

	memcpy(buf, (const void *)&config + offset, len);
}

static u8 sst_fake_get_status(struct virtio_device *vdev)
{
	return READ_ONCE(to_sst_fake(vdev)->status);
}

static void sst_fake_set_status(struct virtio_device *vdev, u8 status)
{
	struct sst_fake *fake = to_sst_fake(vdev);
	bool ready;

	if (fake->refuse_features)
		status &= ~VIRTIO_CONFIG_S_FEATURES_OK;

	spin_lock_irq(&fake->lock);
	ready = status & ~fake->status & VIRTIO_CONFIG_S_DRIVER_OK;
	fake->status = status;
	spin_unlock_irq(&fake->lock);
	if (ready)
		complete(&fake->ready);
}

static void sst_fake_reset(struct virtio_device *vdev)
{
	struct sst_fake *fake = to_sst_fake(vdev);

	if (atomic_read(&fake->kicking))
		fake->fault = "reset during a notification";

	spin_lock_irq(&fake->lock);
	fake->status = 0;
	spin_unlock_irq(&fake->lock);
	WRITE_ONCE(fake->notify_fails, false);
	fake->nr_resets++;
	if (fake->nr_vqs) {
		fake->reset_at = jiffies;
		complete(&fake->stopped);
	}
}

static u64 sst_fake_get_features(struct virtio_device *vdev)
{
	return BIT_ULL(VIRTIO_F_VERSION_1) | BIT_ULL(SST_F_ECHO) |
	       BIT_ULL(SST_F_MULTI_QUEUE);
}

static int sst_fake_finalize_features(struct virtio_device *vdev)
{
	struct sst_fake *fake = to_sst_fake(vdev);

	vring_transport_features(vdev);
	if (fake->slow_features)
		msleep(SST_FAKE_TIMEOUT_MS);
	return fake->finalize_error;
}

/* As an exit to the hypervisor, which may take its time. */
static bool sst_fake_notify(struct virtqueue *vq)
{
	struct sst_fake *fake = to_sst_fake(vq->vdev);
	int number;

	if (READ_ONCE(fake->notify_fails))
		return false;
	if (vq->index != SST_FAKE_VQ_REQUEST)
		return true;

	atomic_inc(&fake->nr_kicks);
	atomic_inc(&fake->kicking);
	if (atomic_dec_if_positive(&fake->to_hold) >= 0) {
		number = atomic_inc_return(&fake->nr_held);
		complete(&fake->kick_begun);
		wait_event(fake->kick_release, number <= READ_ONCE(fake->nr_released));
	}
	atomic_dec(&fake->kicking);

	return true;
}

static void sst_fake_del_vqs(struct virtio_device *vdev)
{
	struct sst_fake *fake = to_sst_fake(vdev);
	struct virtqueue *vq, *next;

	if (atomic_read(&fake->kicking))
		fake->fault = "virtqueues deleted during a notification";
	if (fake->nothing_to_read && vfs_poll(fake->file, NULL) & EPOLLIN)
		fake->fault = "a request ended while its buffers were in a virtqueue";
	fake->nothing_to_read = false;

	spin_lock_irq(&fake->lock);
	memset(fake->vqs, 0, sizeof(fake->vqs));
	spin_unlock_irq(&fake->lock);
	list_for_each_entry_safe(vq, next, &vdev->vqs, list) {
		if (vq->num_free != virtqueue_get_vring_size(vq))
			fake->fault = "buffers left in a virtqueue";
		vring_del_virtqueue(vq);
		fake->nr_vqs--;
	}
}

static struct virtqueue *sst_fake_create_vq(struct sst_fake *fake, unsigned int i,
					    const struct virtqueue_info *info)
{
	unsigned int size = i == SST_FAKE_VQ_REQUEST ? fake->ring_size : SST_FAKE_RING_SIZE;

	return vring_create_virtqueue(i, size, SMP_CACHE_BYTES, &fake->vdev, true, false,
				      info->ctx, sst_fake_notify, info->callback,
				      info->name);
}

static int sst_fake_find_vqs(struct virtio_device *vdev, unsigned int nvqs,
			     struct virtqueue *vqs[], struct virtqueue_info vqs_info[],
			     struct irq_affinity *desc)
{
	struct sst_fake *fake = to_sst_fake(vdev);
	unsigned int i;

	if (fake->nr_vqs)
		fake->fault = "virtqueues found twice";
	if (fake->find_vqs_error || nvqs > SST_FAKE_NR_VQS)
		return fake->find_vqs_error ?: -ENOENT;

	for (i = 0; i < nvqs; i++) {
		vqs[i] = sst_fake_create_vq(fake, i, &vqs_info[i]);
		if (!vqs[i]) {
			sst_fake_del_vqs(vdev);
			return -ENOMEM;
		}
		fake->nr_vqs++;
	}

	spin_lock_irq(&fake->lock);
	memcpy(fake->vqs, vqs, nvqs * sizeof(*vqs));
	memset(fake->next, 0, sizeof(fake->next));
	spin_unlock_irq(&fake->lock);
	fake->nr_resets = 0;

	return 0;
}

/* Callbacks are called with the lock held. */
static void sst_fake_synchronize_cbs(struct virtio_device *vdev)
{
	struct sst_fake *fake = to_sst_fake(vdev);

	spin_lock_irq(&fake->lock);
	spin_unlock_irq(&fake->lock);
}

static const struct virtio_config_ops sst_fake_ops = {
	.get = sst_fake_get,
	.get_status = sst_fake_get_status,
	.set_status = sst_fake_set_status,
	.reset = sst_fake_reset,
	.find_vqs = sst_fake_find_vqs,
	.del_vqs = sst_fake_del_vqs,
	.synchronize_cbs = sst_fake_synchronize_cbs,
	.get_features = sst_fake_get_features,
	.finalize_features = sst_fake_finalize_features,
};

/* The device's side of the virtqueues, which are split ones */

static struct vring_used *sst_fake_used(struct virtqueue *vq)
{
	return phys_to_virt(virtqueue_get_used_addr(vq));
}

/* Look where the descriptors of a chain lead to. */
static void sst_fake_walk(struct sst_fake *fake, struct virtqueue *vq,
			  struct sst_fake_chain *chain)
{
	const struct vring_desc *desc = phys_to_virt(virtqueue_get_desc_addr(vq));
	unsigned int i = chain->head;
	unsigned int flags;
	void *buffer;

	do {
		flags = virtio16_to_cpu(&fake->vdev, desc[i].flags);
		buffer = phys_to_virt(virtio64_to_cpu(&fake->vdev, desc[i].addr));
		if (flags & VRING_DESC_F_WRITE)
			chain->response = buffer;
		else
			chain->request = buffer;
		i = virtio16_to_cpu(&fake->vdev, desc[i].next);
	} while (flags & VRING_DESC_F_NEXT);
}

/* Take the next buffer of a virtqueue. Returns false if there is none. */
static bool sst_fake_take(struct sst_fake *fake, unsigned int index,
			  struct sst_fake_chain *chain)
{
	const struct vring_avail *avail;
	struct virtqueue *vq;
	bool taken = false;
	unsigned int i;

	*chain = (struct sst_fake_chain) {};
	spin_lock_irq(&fake->lock);
	vq = fake->vqs[index];
	if (!vq)
		goto out;
	avail = phys_to_virt(virtqueue_get_avail_addr(vq));
	taken = fake->next[index] != virtio16_to_cpu(&fake->vdev, READ_ONCE(avail->idx));
	if (taken) {
		/* The index is written after the rest. */
		virtio_rmb(true);
		i = fake->next[index]++ & (virtqueue_get_vring_size(vq) - 1);
		chain->head = virtio16_to_cpu(&fake->vdev, avail->ring[i]);
		sst_fake_walk(fake, vq, chain);
	}
out:
	spin_unlock_irq(&fake->lock);

	return taken;
}

/* Give a buffer back to a virtqueue, with the lock held. */
static void sst_fake_put(struct sst_fake *fake, struct virtqueue *vq, u16 head, u32 length)
{
	struct vring_used *used = sst_fake_used(vq);
	unsigned int idx = virtio16_to_cpu(&fake->vdev, used->idx);
	unsigned int i = idx & (virtqueue_get_vring_size(vq) - 1);

	used->ring[i].id = cpu_to_virtio32(&fake->vdev, head);
	used->ring[i].len = cpu_to_virtio32(&fake->vdev, length);
	virtio_wmb(true);
	WRITE_ONCE(used->idx, cpu_to_virtio16(&fake->vdev, idx + 1));
}

/* Whether the driver wants to be interrupted */
static bool sst_fake_may_interrupt(struct sst_fake *fake, struct virtqueue *vq)
{
	const struct vring_avail *avail = phys_to_virt(virtqueue_get_avail_addr(vq));

	/* It may have changed its mind before it looked at the index of what is used. */
	virtio_mb(true);
	return !(virtio16_to_cpu(&fake->vdev, READ_ONCE(avail->flags)) &
		 VRING_AVAIL_F_NO_INTERRUPT);
}

/* Give a buffer back, and interrupt the driver if it wants that. */
static void sst_fake_give(struct sst_fake *fake, unsigned int index, u16 head, u32 length)
{
	struct virtqueue *vq;

	spin_lock_irq(&fake->lock);
	vq = fake->vqs[index];
	if (vq) {
		sst_fake_put(fake, vq, head, length);
		if (sst_fake_may_interrupt(fake, vq))
			vring_interrupt(0, vq);
	}
	spin_unlock_irq(&fake->lock);
}

/* Answer the next request. Returns its user_data; -1: there is none. */
static u64 sst_fake_answer(struct sst_fake *fake)
{
	struct sst_fake_chain chain;
	u64 user_data;

	if (!sst_fake_take(fake, SST_FAKE_VQ_REQUEST, &chain) || !chain.request ||
	    !chain.response)
		return -1;

	user_data = le64_to_cpu(chain.request->user_data);
	memset(chain.response, 0, SST_RESPONSE_HEADER_SIZE);
	chain.response->request_id = chain.request->request_id;
	chain.response->user_data = chain.request->user_data;
	sst_fake_give(fake, SST_FAKE_VQ_REQUEST, chain.head, SST_RESPONSE_HEADER_SIZE);

	return user_data;
}

/* The device wants no notifications, since it looks at the requests anyway. */
static void sst_fake_suppress_kicks(struct sst_fake *fake)
{
	spin_lock_irq(&fake->lock);
	sst_fake_used(fake->vqs[SST_FAKE_VQ_REQUEST])->flags =
		cpu_to_virtio16(&fake->vdev, VRING_USED_F_NO_NOTIFY);
	spin_unlock_irq(&fake->lock);
}

static void sst_fake_need_reset(struct sst_fake *fake)
{
	spin_lock_irq(&fake->lock);
	fake->status |= VIRTIO_CONFIG_S_NEEDS_RESET;
	spin_unlock_irq(&fake->lock);
	virtio_config_changed(&fake->vdev);
}

/* Let notifications end, up to one of those that are held. */
static void sst_fake_release_kicks(struct sst_fake *fake, int number)
{
	WRITE_ONCE(fake->nr_released, number);
	wake_up_all(&fake->kick_release);
}

/* Plugging and unplugging */

static void sst_fake_release(struct device *dev)
{
	complete(&to_sst_fake(dev_to_virtio(dev))->released);
}

static void sst_fake_register(struct kunit *test, struct sst_fake *fake)
{
	struct device *parent = fake->vdev.dev.parent;

	memset(&fake->vdev, 0, sizeof(fake->vdev));
	reinit_completion(&fake->released);
	reinit_completion(&fake->stopped);
	reinit_completion(&fake->ready);
	fake->vdev.id.device = SST_VIRTIO_ID;
	fake->vdev.config = &fake->ops;
	fake->vdev.dev.parent = parent;
	fake->vdev.dev.release = sst_fake_release;
	KUNIT_ASSERT_EQ(test, register_virtio_device(&fake->vdev), 0);
	fake->registered = true;
}

static void sst_fake_unplug(struct sst_fake *fake)
{
	if (!fake->registered)
		return;
	fake->registered = false;
	unregister_virtio_device(&fake->vdev);
	wait_for_completion(&fake->released);
}

static bool sst_fake_bound(struct sst_fake *fake)
{
	return fake->vdev.dev.driver;
}

static struct sst_device *sst_fake_device(struct sst_fake *fake)
{
	return fake->vdev.priv;
}

static void sst_fake_set_timeout(struct sst_fake *fake, unsigned int ms)
{
	WRITE_ONCE(sst_fake_device(fake)->request_timeout_ms, ms);
}

/* Open the file of that name, as the first process sees it. */
static struct file *sst_fake_open_name(const char *name, int flags)
{
	struct file *file = NULL;

	scoped_with_init_fs()
		file = filp_open(name, O_RDWR | flags, 0);
	return file;
}

static struct file *sst_fake_open_index(unsigned int index, int flags)
{
	char name[32];

	snprintf(name, sizeof(name), "/dev/sst%u", index);
	return sst_fake_open_name(name, flags);
}

static struct file *sst_fake_open(struct sst_fake *fake, int flags)
{
	return sst_fake_open_index(sst_fake_device(fake)->index, flags);
}

static void sst_fake_close(struct file **file)
{
	if (!IS_ERR_OR_NULL(*file))
		__fput_sync(*file);
	*file = NULL;
}

/* The device, plugged in and open. The rest is up to sst_fake_exit(). */
static struct sst_fake *sst_fake_plug(struct kunit *test)
{
	struct sst_fake *fake = test->priv;

	sst_fake_register(test, fake);
	KUNIT_ASSERT_TRUE_MSG(test, sst_fake_bound(fake), "is virtio-sst there?");
	fake->file = sst_fake_open(fake, O_NONBLOCK);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->file);
	fake->blocking = sst_fake_open(fake, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->blocking);

	return fake;
}

/* The program */

/* Wait until a poll says one of @wanted. Returns all that it says. */
static __poll_t sst_fake_await(struct sst_fake *fake, __poll_t wanted)
{
	unsigned long end = jiffies + SST_FAKE_PATIENCE;
	__poll_t mask;

	while (!((mask = vfs_poll(fake->file, NULL)) & wanted) && time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
	return mask;
}

/* Wait until a poll does not promise any more that a request would be accepted. */
static void sst_fake_await_refusal(struct sst_fake *fake)
{
	unsigned long end = jiffies + SST_FAKE_PATIENCE;

	while ((vfs_poll(fake->file, NULL) & (EPOLLOUT | EPOLLHUP)) == EPOLLOUT &&
	       time_before(jiffies, end))
		schedule_timeout_uninterruptible(1);
}

/* Write a short request. */
static ssize_t sst_fake_write(struct sst_fake *fake, u64 user_data)
{
	const __le64 header[SST_REQUEST_HEADER_SIZE / sizeof(__le64)] = {
		[2] = cpu_to_le64(user_data),
	};

	return kernel_write(fake->file, header, sizeof(header), NULL);
}

/* Write that many requests in one go. Returns how many were accepted. */
static ssize_t sst_fake_write_many(struct sst_fake *fake, unsigned int n)
{
	struct sst_request *requests = kvcalloc(n, sizeof(*requests), GFP_KERNEL);
	ssize_t ret = -ENOMEM;

	if (requests)
		ret = kernel_write(fake->file, requests, n * sizeof(*requests), NULL);
	kvfree(requests);

	return ret < 0 ? ret : ret / sizeof(*requests);
}

static ssize_t sst_fake_read(struct sst_fake *fake, struct sst_response_header *header)
{
	return kernel_read(fake->file, header, sizeof(*header), NULL);
}

/* The next response, which may take a while, is to be this one. */
static void sst_fake_expect(struct kunit *test, struct sst_fake *fake, u32 status,
			    u64 user_data)
{
	u32 flags = status == SST_RESPONSE_OK ? 0 : SST_RESPONSE_F_DRIVER;
	struct sst_response_header header = {};

	KUNIT_EXPECT_TRUE(test, sst_fake_await(fake, EPOLLIN) & EPOLLIN);
	KUNIT_ASSERT_EQ(test, sst_fake_read(fake, &header), sizeof(header));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(header.status), status);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(header.flags), flags);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(header.user_data), user_data);
}

static void sst_fake_expect_nothing(struct kunit *test, struct sst_fake *fake)
{
	struct sst_response_header header;

	KUNIT_EXPECT_EQ(test, sst_fake_read(fake, &header), -EAGAIN);
}

static void sst_fake_expect_accepted(struct kunit *test, struct sst_fake *fake,
				     u64 user_data)
{
	KUNIT_EXPECT_TRUE(test, sst_fake_await(fake, EPOLLOUT) & EPOLLOUT);
	KUNIT_ASSERT_EQ(test, sst_fake_write(fake, user_data), SST_REQUEST_HEADER_SIZE);
}

/* A request is accepted, answered, and the answer can be read. */
static void sst_fake_expect_service(struct kunit *test, struct sst_fake *fake)
{
	const u64 user_data = 4711;

	sst_fake_expect_accepted(test, fake, user_data);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), user_data);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, user_data);
	sst_fake_expect_nothing(test, fake);
}

/* The device is gone for the program, which has read everything. */
static void sst_fake_expect_gone(struct kunit *test, struct sst_fake *fake)
{
	struct sst_response_header header;
	__poll_t mask;

	mask = sst_fake_await(fake, EPOLLHUP);
	KUNIT_EXPECT_TRUE(test, mask & EPOLLHUP);
	KUNIT_EXPECT_TRUE(test, mask & EPOLLERR);
	KUNIT_EXPECT_EQ(test, sst_fake_read(fake, &header), -ENODEV);
	KUNIT_EXPECT_EQ(test, sst_fake_write(fake, 0), -ENODEV);
}

/* Whether the driver has all slots back, after a reset and with nothing to read */
static bool sst_fake_slots_home(struct sst_fake *fake)
{
	struct sst_queue *q = sst_fake_device(fake)->queues;
	struct sst_chunk *chunk;
	unsigned long index;
	bool home = true;

	spin_lock_irq(&q->lock);
	xa_for_each(&q->chunks, index, chunk)
		home &= chunk->nr_free == chunk->nr;
	spin_unlock_irq(&q->lock);

	return home;
}

/* Jobs */

static void sst_fake_job_work(struct work_struct *work)
{
	struct sst_fake_job *job = container_of(work, struct sst_fake_job, work);

	job->run(job);
	complete(&job->done);
}

static void sst_fake_job_init(struct sst_fake_job *job, struct sst_fake *fake)
{
	INIT_WORK(&job->work, sst_fake_job_work);
	init_completion(&job->done);
	job->fake = fake;
}

static void sst_fake_job_start(struct sst_fake_job *job,
			       void (*run)(struct sst_fake_job *job))
{
	job->run = run;
	schedule_work(&job->work);
}

/* Returns false if the job does not end. */
static bool sst_fake_job_wait(struct sst_fake_job *job)
{
	return wait_for_completion_timeout(&job->done, SST_FAKE_PATIENCE);
}

static void sst_fake_job_write(struct sst_fake_job *job)
{
	job->result = sst_fake_write(job->fake, job->user_data);
}

static void sst_fake_job_read(struct sst_fake_job *job)
{
	struct sst_response_header header;

	job->result = kernel_read(job->fake->blocking, &header, sizeof(header), NULL);
}

static void sst_fake_job_unplug(struct sst_fake_job *job)
{
	sst_fake_unplug(job->fake);
}

static void sst_fake_job_prepare(struct sst_fake_job *job)
{
	job->result = virtio_device_reset_prepare(&job->fake->vdev);
}

static void sst_fake_job_need_reset(struct sst_fake_job *job)
{
	sst_fake_need_reset(job->fake);
}

/* Have somebody else write a request. Returns once its notification waits. */
static void sst_fake_start_kick(struct kunit *test, struct sst_fake *fake,
				struct sst_fake_job *writer, u64 user_data)
{
	writer->user_data = user_data;
	atomic_inc(&fake->to_hold);
	sst_fake_job_start(writer, sst_fake_job_write);
	KUNIT_ASSERT_NE(test, 0, wait_for_completion_timeout(&fake->kick_begun,
							     SST_FAKE_PATIENCE));
}

static void sst_fake_expect_kick_end(struct kunit *test, struct sst_fake_job *writer)
{
	KUNIT_ASSERT_TRUE(test, sst_fake_job_wait(writer));
	KUNIT_EXPECT_EQ(test, writer->result, SST_REQUEST_HEADER_SIZE);
}

/* Returns false if the device isn't stopped in that time. */
static bool sst_fake_await_stop(struct sst_fake *fake, unsigned long timeout)
{
	return wait_for_completion_timeout(&fake->stopped, timeout);
}

/* Returns false if the driver does not become ready. */
static bool sst_fake_await_ready(struct sst_fake *fake)
{
	return wait_for_completion_timeout(&fake->ready, SST_FAKE_PATIENCE);
}

/* Before and after each test */

static void sst_fake_skip_without_dev(struct kunit *test)
{
	struct file *file = sst_fake_open_name("/dev/null", 0);

	if (IS_ERR(file))
		kunit_skip(test, "there is no /dev");
	sst_fake_close(&file);
}

static int sst_fake_init(struct kunit *test)
{
	struct sst_fake *fake = kunit_kzalloc(test, sizeof(*fake), GFP_KERNEL);
	struct device *parent = kunit_device_register(test, "virtio-sst-parent");

	KUNIT_ASSERT_NOT_NULL(test, fake);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, parent);
	sst_fake_skip_without_dev(test);

	spin_lock_init(&fake->lock);
	init_completion(&fake->released);
	init_completion(&fake->stopped);
	init_completion(&fake->ready);
	init_completion(&fake->kick_begun);
	init_waitqueue_head(&fake->kick_release);
	sst_fake_job_init(&fake->writer, fake);
	sst_fake_job_init(&fake->second_writer, fake);
	sst_fake_job_init(&fake->reader, fake);
	sst_fake_job_init(&fake->stopper, fake);
	fake->ops = sst_fake_ops;
	fake->max_queues = 1;
	fake->ring_size = SST_FAKE_RING_SIZE;
	fake->vdev.dev.parent = parent;
	test->priv = fake;

	return 0;
}

/* Whatever a test has left undone: let it end, and look what it leaves behind. */
static void sst_fake_exit(struct kunit *test)
{
	struct sst_fake *fake = test->priv;

	if (!fake)
		return;

	sst_fake_release_kicks(fake, INT_MAX);
	flush_work(&fake->stopper.work);
	sst_fake_unplug(fake);
	flush_work(&fake->writer.work);
	flush_work(&fake->second_writer.work);
	flush_work(&fake->reader.work);
	sst_fake_close(&fake->blocking);
	sst_fake_close(&fake->file);
	KUNIT_EXPECT_EQ(test, fake->nr_vqs, 0);
	KUNIT_EXPECT_NULL_MSG(test, fake->fault, "%s", fake->fault ?: "");
}

/* That the device of this file is one at all */
static void sst_test_service(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_expect_nothing(test, fake);
	sst_fake_expect_service(test, fake);
	sst_fake_unplug(fake);
	sst_fake_expect_gone(test, fake);
}

/* Notifications that take long */

/*
 * The clock of a request does not run during its notification, nor that of one
 * that comes meanwhile and needs no notification of its own.
 */
static void sst_test_kick_stops_clock(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	unsigned long released;

	sst_fake_set_timeout(fake, SST_FAKE_TIMEOUT_MS);
	sst_fake_start_kick(test, fake, &fake->writer, 1);
	sst_fake_suppress_kicks(fake);
	KUNIT_EXPECT_EQ(test, sst_fake_write(fake, 2), SST_REQUEST_HEADER_SIZE);
	KUNIT_EXPECT_EQ(test, atomic_read(&fake->nr_kicks), 1);
	msleep(SST_FAKE_GLANCE_MS);
	sst_fake_expect_nothing(test, fake);

	released = jiffies;
	sst_fake_release_kicks(fake, 1);
	sst_fake_expect_kick_end(test, &fake->writer);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 1);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 2);
	KUNIT_EXPECT_GE(test, jiffies_to_msecs(jiffies - released), SST_FAKE_TIMEOUT_MS);
}

/* The end of one notification does not start the clock of the next one's request. */
static void sst_test_kicks_apart(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_set_timeout(fake, SST_FAKE_TIMEOUT_MS);
	sst_fake_start_kick(test, fake, &fake->writer, 1);
	sst_fake_start_kick(test, fake, &fake->second_writer, 2);

	sst_fake_release_kicks(fake, 1);
	sst_fake_expect_kick_end(test, &fake->writer);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 1);
	msleep(SST_FAKE_GLANCE_MS);
	sst_fake_expect_nothing(test, fake);

	sst_fake_release_kicks(fake, 2);
	sst_fake_expect_kick_end(test, &fake->second_writer);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 2);
}

static u64 sst_fake_interrupts(struct sst_fake *fake)
{
	struct sst_queue *q = sst_fake_device(fake)->queues;
	u64 interrupts;

	spin_lock_irq(&q->lock);
	interrupts = q->stats.interrupts;
	spin_unlock_irq(&q->lock);

	return interrupts;
}

/*
 * A device may take longer than the time-out, and answer before the kick is over. It
 * need not interrupt: who kicks looks for the answer.
 */
static void sst_test_answer_in_kick(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_set_timeout(fake, SST_FAKE_TIMEOUT_MS);
	sst_fake_start_kick(test, fake, &fake->writer, 1);
	msleep(SST_FAKE_GLANCE_MS);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), 1);

	sst_fake_release_kicks(fake, 1);
	sst_fake_expect_kick_end(test, &fake->writer);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, 1);
	sst_fake_expect_nothing(test, fake);
	KUNIT_EXPECT_EQ(test, sst_fake_interrupts(fake), 0);
}

/* A device that answers later does interrupt. */
static void sst_test_answer_after_kick(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_expect_accepted(test, fake, 1);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), 1);
	KUNIT_EXPECT_EQ(test, sst_fake_interrupts(fake), 1);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, 1);
}

/* Who waits for an answer does not wait for who is kicking. */
static void sst_test_answer_in_kick_for_others(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_start_kick(test, fake, &fake->writer, 1);
	KUNIT_EXPECT_FALSE(test, vfs_poll(fake->file, NULL) & EPOLLIN);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), 1);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, 1);
	KUNIT_EXPECT_EQ(test, sst_fake_interrupts(fake), 1);

	sst_fake_release_kicks(fake, 1);
	sst_fake_expect_kick_end(test, &fake->writer);
}

/* A device that breaks the virtqueue in a kick is reset at once, as at any other time. */
static void sst_test_broken_in_kick(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_start_kick(test, fake, &fake->writer, 1);
	sst_fake_give(fake, SST_FAKE_VQ_REQUEST, SST_FAKE_RING_SIZE - 1,
		      SST_RESPONSE_HEADER_SIZE);
	sst_fake_release_kicks(fake, 1);
	sst_fake_expect_kick_end(test, &fake->writer);
	KUNIT_EXPECT_TRUE(test, sst_fake_await_stop(fake, 2 * HZ));
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
}

/* If there is more than one request, none has to wait for the end of a kick. */
static void sst_test_answers_in_kick(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_start_kick(test, fake, &fake->writer, 1);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), 1);
	sst_fake_start_kick(test, fake, &fake->second_writer, 2);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, 1);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), 2);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, 2);

	sst_fake_release_kicks(fake, 2);
	sst_fake_expect_kick_end(test, &fake->writer);
	sst_fake_expect_kick_end(test, &fake->second_writer);
	sst_fake_expect_nothing(test, fake);
}

struct sst_test_stop {
	const char *name;
	void (*run)(struct sst_fake_job *job);
};

static const struct sst_test_stop sst_test_stops[] = {
	{ "removal", sst_fake_job_unplug },
	{ "reset by the transport", sst_fake_job_prepare },
	{ "reset by the driver", sst_fake_job_need_reset },
};

KUNIT_ARRAY_PARAM_DESC(sst_test_stops, sst_test_stops, name);

/* Whatever stops the device waits for a notification, and accepts no request. */
static void sst_test_stop_in_kick(struct kunit *test)
{
	const struct sst_test_stop *stop = test->param_value;
	const bool removal = stop->run == sst_fake_job_unplug;
	const unsigned long glance = msecs_to_jiffies(SST_FAKE_GLANCE_MS);
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_start_kick(test, fake, &fake->writer, 1);
	fake->nothing_to_read = true;
	sst_fake_job_start(&fake->stopper, stop->run);
	sst_fake_await_refusal(fake);
	KUNIT_EXPECT_FALSE(test, sst_fake_await_stop(fake, glance));
	KUNIT_EXPECT_EQ(test, sst_fake_write(fake, 2), removal ? -ENODEV : -EAGAIN);
	sst_fake_expect_nothing(test, fake);

	sst_fake_release_kicks(fake, 1);
	sst_fake_expect_kick_end(test, &fake->writer);
	KUNIT_EXPECT_TRUE(test, sst_fake_await_stop(fake, SST_FAKE_PATIENCE));
	KUNIT_ASSERT_TRUE(test, sst_fake_job_wait(&fake->stopper));
	if (removal)
		sst_fake_expect_gone(test, fake);
	else
		sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
}

/* Resets by the driver */

static void sst_test_needs_reset(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_expect_service(test, fake);
	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_expect_accepted(test, fake, 1);
	sst_fake_expect_accepted(test, fake, 2);
	fake->nothing_to_read = true;
	sst_fake_need_reset(fake);
	KUNIT_EXPECT_TRUE(test, sst_fake_await_stop(fake, SST_FAKE_PATIENCE));
	KUNIT_EXPECT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 2);
	sst_fake_expect_service(test, fake);
	KUNIT_EXPECT_EQ(test, fake->nr_resets, 0);
}

/* A device that has changed its configuration only isn't reset. */
static void sst_test_config_change(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_expect_accepted(test, fake, 1);
	virtio_config_changed(&fake->vdev);
	/* A reset would have been asked for first. */
	flush_delayed_work(&sst_fake_device(fake)->reset_work);
	flush_delayed_work(&sst_fake_device(fake)->reset_work);
	KUNIT_EXPECT_EQ(test, fake->nr_resets, 0);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), 1);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, 1);
}

/* A device that always wants to be reset has that once a second. */
static void sst_test_reset_rate(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	unsigned long first;

	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_need_reset(fake);
	KUNIT_ASSERT_TRUE(test, sst_fake_await_stop(fake, SST_FAKE_PATIENCE));
	first = fake->reset_at;
	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_expect_service(test, fake);

	sst_fake_need_reset(fake);
	KUNIT_ASSERT_TRUE(test, sst_fake_await_stop(fake, SST_FAKE_PATIENCE));
	KUNIT_EXPECT_GE(test, jiffies_to_msecs(fake->reset_at - first),
			SST_FAKE_RESET_INTERVAL_MS);
	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_expect_service(test, fake);
}

/* A notification that fails is the end of the virtqueue, not of the device. */
static void sst_test_notification_fails(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	WRITE_ONCE(fake->notify_fails, true);
	sst_fake_expect_accepted(test, fake, 1);
	KUNIT_EXPECT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
	sst_fake_expect_service(test, fake);
}

/* A device that has been silent for too long is reset, and has all its room again. */
static void sst_test_silent_device(struct kunit *test)
{
	struct sst_fake *fake = test->priv;

	fake->ring_size = 4;
	sst_fake_plug(test);
	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_set_timeout(fake, SST_FAKE_TIMEOUT_MS);
	KUNIT_EXPECT_EQ(test, sst_fake_write_many(fake, SST_FAKE_REQUESTS_MAX), 2);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 0);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 0);
	sst_fake_set_timeout(fake, SST_REQUEST_TIMEOUT_DEFAULT_MS);
	KUNIT_EXPECT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_expect_service(test, fake);
	KUNIT_EXPECT_TRUE(test, sst_fake_slots_home(fake));
	KUNIT_EXPECT_EQ(test, sst_fake_write_many(fake, SST_FAKE_REQUESTS_MAX), 2);
}

/* Failures */

struct sst_test_failure {
	const char *name;
	int find_vqs_error;
	int finalize_error;
	bool refuse_features;
	unsigned int ring_size;
	bool no_config;
};

static const struct sst_test_failure sst_test_no_failure = {};

static const struct sst_test_failure sst_test_restart_failures[] = {
	{ "no virtqueues", .find_vqs_error = -ENOENT },
	{ "no memory for virtqueues", .find_vqs_error = -ENOMEM },
	{ "a ring of 1", .ring_size = 1 },
	{ "no features", .finalize_error = -EINVAL },
	{ "features refused", .refuse_features = true },
};

KUNIT_ARRAY_PARAM_DESC(sst_test_restart_failures, sst_test_restart_failures, name);

/* The transport tells the driver only of a device that has its features. */
static const struct sst_test_failure sst_test_done_failures[] = {
	{ "no virtqueues", .find_vqs_error = -ENOENT },
	{ "no memory for virtqueues", .find_vqs_error = -ENOMEM },
	{ "a ring of 1", .ring_size = 1 },
};

KUNIT_ARRAY_PARAM_DESC(sst_test_done_failures, sst_test_done_failures, name);

static const struct sst_test_failure sst_test_probe_failures[] = {
	{ "no virtqueues", .find_vqs_error = -ENOENT },
	{ "no memory for virtqueues", .find_vqs_error = -ENOMEM },
	{ "a ring of 1", .ring_size = 1 },
	{ "no configuration space", .no_config = true },
};

KUNIT_ARRAY_PARAM_DESC(sst_test_probe_failures, sst_test_probe_failures, name);

/* From now on the device fails that way. */
static void sst_fake_fail(struct sst_fake *fake, const struct sst_test_failure *failure)
{
	fake->find_vqs_error = failure->find_vqs_error;
	fake->finalize_error = failure->finalize_error;
	fake->refuse_features = failure->refuse_features;
	fake->slow_features = true;
	fake->ring_size = failure->ring_size ?: SST_FAKE_RING_SIZE;
	fake->ops.get = failure->no_config ? NULL : sst_fake_get;
}

/*
 * A program finds the device gone, with one that waits and one that comes. The
 * request it had in flight ended in the reset.
 */
static void sst_fake_expect_restart_failed(struct kunit *test, struct sst_fake *fake)
{
	struct file *file;

	KUNIT_ASSERT_TRUE(test, sst_fake_job_wait(&fake->reader));
	KUNIT_EXPECT_EQ(test, fake->reader.result, -ENODEV);
	sst_fake_await(fake, EPOLLHUP);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
	sst_fake_expect_gone(test, fake);
	file = sst_fake_open(fake, 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(file), -ENODEV);
	sst_fake_close(&file);
	KUNIT_EXPECT_EQ(test, fake->nr_vqs, 0);
}

/* A device that can't be started again after the driver's reset is gone. */
static void sst_test_restart_fails(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_job_start(&fake->reader, sst_fake_job_read);
	sst_fake_expect_accepted(test, fake, 1);
	fake->nothing_to_read = true;
	sst_fake_fail(fake, test->param_value);
	sst_fake_need_reset(fake);
	sst_fake_expect_restart_failed(test, fake);

	flush_delayed_work(&sst_fake_device(fake)->reset_work);
	KUNIT_EXPECT_TRUE(test, fake->status & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_FALSE(test, fake->status & VIRTIO_CONFIG_S_DRIVER_OK);

	/* It stays so, even if the device has recovered meanwhile. */
	sst_fake_fail(fake, &sst_test_no_failure);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_done(&fake->vdev), -ENODEV);
	sst_fake_expect_gone(test, fake);
	sst_fake_unplug(fake);
	sst_fake_expect_gone(test, fake);
}

/* The same after a reset of the transport's */
static void sst_test_reset_done_fails(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_job_start(&fake->reader, sst_fake_job_read);
	sst_fake_expect_accepted(test, fake, 1);
	fake->nothing_to_read = true;
	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	sst_fake_fail(fake, test->param_value);
	KUNIT_EXPECT_NE(test, virtio_device_reset_done(&fake->vdev), 0);
	sst_fake_expect_restart_failed(test, fake);
	sst_fake_unplug(fake);
	sst_fake_expect_gone(test, fake);
}

/* A device that can't be started leaves nothing, not even its number. */
static void sst_test_probe_fails(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	unsigned int index = sst_fake_device(fake)->index;
	struct file *file;

	sst_fake_unplug(fake);
	sst_fake_close(&fake->file);
	sst_fake_close(&fake->blocking);

	sst_fake_fail(fake, test->param_value);
	sst_fake_register(test, fake);
	KUNIT_EXPECT_FALSE(test, sst_fake_bound(fake));
	KUNIT_EXPECT_TRUE(test, fake->status & VIRTIO_CONFIG_S_FAILED);
	KUNIT_EXPECT_EQ(test, fake->nr_vqs, 0);
	file = sst_fake_open_index(index, 0);
	KUNIT_EXPECT_EQ(test, PTR_ERR_OR_ZERO(file), -ENOENT);
	sst_fake_close(&file);
	sst_fake_unplug(fake);

	sst_fake_fail(fake, &sst_test_no_failure);
	sst_fake_plug(test);
	KUNIT_EXPECT_EQ(test, sst_fake_device(fake)->index, index);
	sst_fake_expect_service(test, fake);
}

/* Resets by the transport */

static void sst_fake_restart(struct kunit *test, struct sst_fake *fake)
{
	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_done(&fake->vdev), 0);
}

static void sst_test_reset_by_transport(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_expect_accepted(test, fake, 1);
	fake->nothing_to_read = true;
	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
	KUNIT_EXPECT_EQ(test, sst_fake_write(fake, 2), -EAGAIN);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_done(&fake->vdev), 0);
	sst_fake_expect_service(test, fake);
}

static void sst_test_prepare_twice(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_expect_accepted(test, fake, 1);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_done(&fake->vdev), 0);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
	sst_fake_expect_service(test, fake);
}

/* The device never comes back from a reset or a suspension. */
static void sst_test_remove_while_stopped(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_job_start(&fake->reader, sst_fake_job_read);
	sst_fake_expect_accepted(test, fake, 1);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	sst_fake_unplug(fake);
	KUNIT_ASSERT_TRUE(test, sst_fake_job_wait(&fake->reader));
	KUNIT_EXPECT_EQ(test, fake->reader.result, -ENODEV);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
	sst_fake_expect_gone(test, fake);
}

/*
 * The driver has to wait until it may reset the device again, and the transport
 * does so first. There is nothing left for the driver to do, whether its time
 * comes while the device is stopped or later.
 */
static void sst_fake_test_due_reset(struct kunit *test, unsigned int stopped_ms,
				    unsigned int started_ms)
{
	struct sst_fake *fake = sst_fake_plug(test);

	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_need_reset(fake);
	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	sst_fake_expect_service(test, fake);
	sst_fake_need_reset(fake);
	flush_work(&sst_fake_device(fake)->reset_work.work);
	KUNIT_EXPECT_EQ(test, sst_fake_write(fake, 0), -EAGAIN);

	KUNIT_EXPECT_EQ(test, virtio_device_reset_prepare(&fake->vdev), 0);
	KUNIT_EXPECT_EQ(test, fake->nr_resets, 1);
	msleep(stopped_ms);
	KUNIT_EXPECT_EQ(test, fake->nr_resets, 1);
	KUNIT_EXPECT_EQ(test, virtio_device_reset_done(&fake->vdev), 0);
	sst_fake_expect_accepted(test, fake, 1);
	msleep(started_ms);
	KUNIT_EXPECT_EQ(test, fake->nr_resets, 0);
	KUNIT_EXPECT_EQ(test, sst_fake_answer(fake), 1);
	sst_fake_expect(test, fake, SST_RESPONSE_OK, 1);
}

static void sst_test_reset_due_while_stopped(struct kunit *test)
{
	sst_fake_test_due_reset(test, SST_FAKE_RESET_INTERVAL_MS + SST_FAKE_GLANCE_MS, 0);
}

static void sst_test_reset_due_after_start(struct kunit *test)
{
	sst_fake_test_due_reset(test, 0, SST_FAKE_RESET_INTERVAL_MS + SST_FAKE_GLANCE_MS);
}

/* A reset in the middle of a time-out does not keep the next one from coming. */
static void sst_test_timeout_after_reset(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	/* It must not be over before the reset. */
	sst_fake_set_timeout(fake, 20 * SST_FAKE_TIMEOUT_MS);
	sst_fake_expect_accepted(test, fake, 1);
	sst_fake_restart(test, fake);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 1);
	sst_fake_expect_accepted(test, fake, 2);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 2);
}

/* A device may come back with another size of its ring, and has room for that. */
static void sst_test_ring_size(struct kunit *test)
{
	static const unsigned int sizes[] = { SST_FAKE_RING_SIZE, 2, 64, 4 };
	struct sst_fake *fake = sst_fake_plug(test);
	unsigned int capacity;
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(sizes); i++) {
		fake->ring_size = sizes[i];
		capacity = sizes[i] / SST_CHAIN_LENGTH;
		sst_fake_restart(test, fake);
		sst_fake_expect_service(test, fake);
		KUNIT_EXPECT_EQ(test, sst_fake_write_many(fake, SST_FAKE_REQUESTS_MAX),
				capacity);
		fake->nothing_to_read = true;
		sst_fake_restart(test, fake);
		for (j = 0; j < capacity; j++)
			sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 0);
	}
}

/* A device that speaks of more pairs of queues than it has is used with one. */
static void sst_test_fewer_queues(struct kunit *test)
{
	static const unsigned int numbers[] = { 0, 1, 2, UINT_MAX };
	struct sst_fake *fake = test->priv;
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(numbers); i++) {
		fake->max_queues = numbers[i];
		sst_fake_plug(test);
		KUNIT_EXPECT_EQ(test, sst_fake_device(fake)->nr_queues, 1);
		sst_fake_expect_service(test, fake);
		sst_fake_unplug(fake);
		sst_fake_close(&fake->file);
		sst_fake_close(&fake->blocking);
	}
}

/* What the device has of a closed file, or too late, does not take room for ever. */
static void sst_test_reset_makes_room(struct kunit *test)
{
	struct sst_fake *fake = test->priv;

	fake->ring_size = 8;
	sst_fake_plug(test);
	KUNIT_EXPECT_EQ(test, sst_fake_write_many(fake, 1), 1);
	sst_fake_close(&fake->file);
	fake->file = sst_fake_open(fake, O_NONBLOCK);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->file);
	sst_fake_set_timeout(fake, SST_FAKE_TIMEOUT_MS);
	KUNIT_EXPECT_EQ(test, sst_fake_write_many(fake, 1), 1);
	sst_fake_expect(test, fake, SST_RESPONSE_TIMEOUT, 0);
	sst_fake_set_timeout(fake, SST_REQUEST_TIMEOUT_DEFAULT_MS);
	KUNIT_EXPECT_EQ(test, sst_fake_write_many(fake, SST_FAKE_REQUESTS_MAX), 2);
	sst_fake_restart(test, fake);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 0);
	sst_fake_expect(test, fake, SST_RESPONSE_ERROR, 0);
	KUNIT_EXPECT_TRUE(test, sst_fake_slots_home(fake));
	KUNIT_EXPECT_EQ(test, sst_fake_write_many(fake, SST_FAKE_REQUESTS_MAX), 4);
}

/* Count, by taking them, the buffers that the device has on a virtqueue. */
static unsigned int sst_fake_count(struct sst_fake *fake, unsigned int index)
{
	struct sst_fake_chain chain;
	unsigned int n = 0;

	while (sst_fake_take(fake, index, &chain))
		n++;
	return n;
}

/* After a reset the device gets buffers for responses and events as before. */
static void sst_test_inboxes(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	unsigned int responses = sst_fake_count(fake, SST_FAKE_VQ_RESPONSE);

	KUNIT_EXPECT_GT(test, responses, 0);
	KUNIT_EXPECT_EQ(test, sst_fake_count(fake, SST_FAKE_VQ_EVENT), SST_FAKE_RING_SIZE);
	sst_fake_restart(test, fake);
	KUNIT_EXPECT_EQ(test, sst_fake_count(fake, SST_FAKE_VQ_RESPONSE), responses);
	KUNIT_EXPECT_EQ(test, sst_fake_count(fake, SST_FAKE_VQ_EVENT), SST_FAKE_RING_SIZE);
}

/* Returns a file that events can be read from, or an error pointer. */
static struct file *sst_fake_open_events(struct kunit *test, struct sst_fake *fake, u32 flags)
{
	unsigned long setup = kunit_vm_mmap(test, NULL, 0, PAGE_SIZE, PROT_READ | PROT_WRITE,
					    MAP_ANONYMOUS | MAP_PRIVATE, 0);
	struct file *file;
	int fd;

	if (!setup || put_user(flags, (u32 __user *)setup))
		return ERR_PTR(-ENOMEM);

	fd = fake->file->f_op->unlocked_ioctl(fake->file, SST_IOCTL_EVENT_FD, setup);
	if (fd < 0)
		return ERR_PTR(fd);
	file = fget(fd);
	close_fd(fd);

	return file;
}

/* Send an event of which @length bytes are said to be written, but do not tell. */
static void sst_fake_send(struct kunit *test, struct sst_fake *fake, u64 data, u32 length)
{
	const struct sst_event event = {
		.type = cpu_to_le32(SST_EVENT_RESET),
		/* Not to be taken for the driver's */
		.flags = cpu_to_le32(U32_MAX),
		.timestamp = cpu_to_le64(1000 + data),
		.data = cpu_to_le64(data),
	};
	struct sst_fake_chain chain;

	KUNIT_ASSERT_TRUE(test, sst_fake_take(fake, SST_FAKE_VQ_EVENT, &chain));
	/* What was there before would be taken for this event's if it were shorter. */
	KUNIT_EXPECT_NULL(test, memchr_inv(chain.response, 0, sizeof(event)));
	memcpy(chain.response, &event, sizeof(event));
	spin_lock_irq(&fake->lock);
	sst_fake_put(fake, fake->vqs[SST_FAKE_VQ_EVENT], chain.head, length);
	spin_unlock_irq(&fake->lock);
}

/* Tell of all events that were sent, and wait until the driver has taken them. */
static void sst_fake_tell(struct sst_fake *fake)
{
	spin_lock_irq(&fake->lock);
	vring_interrupt(0, fake->vqs[SST_FAKE_VQ_EVENT]);
	spin_unlock_irq(&fake->lock);
	flush_work(&sst_fake_device(fake)->events.work);
}

/* The next event is to be this one. */
static void sst_fake_expect_event(struct kunit *test, struct file *file, u32 flags,
				  u64 timestamp, u64 data)
{
	struct sst_event event = {};

	KUNIT_ASSERT_EQ(test, kernel_read(file, &event, sizeof(event), NULL), sizeof(event));
	KUNIT_EXPECT_EQ(test, le32_to_cpu(event.type), SST_EVENT_RESET);
	KUNIT_EXPECT_EQ(test, le32_to_cpu(event.flags), flags);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(event.timestamp), timestamp);
	KUNIT_EXPECT_EQ(test, le64_to_cpu(event.data), data);
}

/* What a device sends is what is read, but for what is not for it to say. */
static void sst_test_events(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	struct file *file = sst_fake_open_events(test, fake, SST_EVENT_NONBLOCK);
	struct sst_event_queue *events = &sst_fake_device(fake)->events;
	struct sst_event event;
	unsigned int i;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	for (i = 0; i < 4 * SST_FAKE_RING_SIZE; i++) {
		sst_fake_send(test, fake, i, i % 3 == 1 ? 23 : i % 3 == 2 ? U32_MAX : 24);
		if (i % SST_FAKE_RING_SIZE == SST_FAKE_RING_SIZE - 1)
			sst_fake_tell(fake);
	}
	for (i = 0; i < 4 * SST_FAKE_RING_SIZE; i += 3)
		sst_fake_expect_event(test, file, 0, 1000 + i, i);
	KUNIT_EXPECT_EQ(test, kernel_read(file, &event, sizeof(event), NULL), -EAGAIN);
	KUNIT_EXPECT_EQ(test, events->received, 22);
	KUNIT_EXPECT_EQ(test, events->malformed, 42);
	KUNIT_EXPECT_EQ(test, events->inbox.lost, 0);
	sst_fake_close(&file);
}

/* What was sent before a reset is told before it, even if nobody has told of it. */
static void sst_test_events_and_reset(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	struct file *file = sst_fake_open_events(test, fake, SST_EVENT_NONBLOCK);
	struct sst_event event;

	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, file);
	sst_fake_send(test, fake, 1, sizeof(event));
	sst_fake_send(test, fake, 2, sizeof(event));
	sst_fake_restart(test, fake);
	sst_fake_send(test, fake, 3, sizeof(event));
	sst_fake_tell(fake);
	sst_fake_send(test, fake, 4, sizeof(event));
	sst_fake_expect_event(test, file, 0, 1001, 1);
	sst_fake_expect_event(test, file, 0, 1002, 2);
	sst_fake_expect_event(test, file, SST_EVENT_F_DRIVER, 0, 1);
	sst_fake_expect_event(test, file, 0, 1003, 3);
	KUNIT_EXPECT_FALSE(test, vfs_poll(file, NULL));
	/* The end is told at once: what comes then comes too late. */
	sst_fake_unplug(fake);
	KUNIT_EXPECT_EQ(test, kernel_read(file, &event, sizeof(event), NULL), -ENODEV);
	KUNIT_EXPECT_FALSE(test, ~vfs_poll(file, NULL) & (EPOLLIN | EPOLLHUP | EPOLLERR));
	sst_fake_close(&file);
}

/* Who waits for events learns of a device that cannot be started again. */
static void sst_test_events_restart_fails(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);

	sst_fake_close(&fake->blocking);
	fake->blocking = sst_fake_open_events(test, fake, 0);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->blocking);
	sst_fake_job_start(&fake->reader, sst_fake_job_read);
	sst_fake_fail(fake, &sst_test_restart_failures[0]);
	sst_fake_need_reset(fake);
	KUNIT_ASSERT_TRUE(test, sst_fake_job_wait(&fake->reader));
	KUNIT_EXPECT_EQ(test, fake->reader.result, -ENODEV);
	sst_fake_fail(fake, &sst_test_no_failure);
}

/*
 * A device that was pulled out does not answer, and has broken virtqueues. A request in
 * flight, whatever time it has, does not hold up its removal.
 */
static void sst_test_surprise_removal(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	unsigned long begun;

	sst_fake_set_timeout(fake, SST_REQUEST_TIMEOUT_MAX_MS);
	sst_fake_job_start(&fake->reader, sst_fake_job_read);
	sst_fake_expect_accepted(test, fake, 1);
	virtio_break_device(&fake->vdev);
	fake->nothing_to_read = true;
	begun = jiffies;
	sst_fake_unplug(fake);
	KUNIT_EXPECT_LT(test, jiffies_to_msecs(jiffies - begun), MSEC_PER_SEC);
	KUNIT_ASSERT_TRUE(test, sst_fake_job_wait(&fake->reader));
	KUNIT_EXPECT_EQ(test, fake->reader.result, -ENODEV);
	sst_fake_expect_gone(test, fake);
}

/* A device of a machine that is shut down does nothing any more, and is not restarted. */
static void sst_test_shutdown(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	struct device *dev = &sst_fake_device(fake)->dev;
	unsigned long glance = msecs_to_jiffies(SST_FAKE_GLANCE_MS);

	KUNIT_ASSERT_TRUE(test, sst_fake_await_ready(fake));
	KUNIT_EXPECT_EQ(test, dev->class->shutdown_pre(dev), 0);
	sst_fake_expect_gone(test, fake);
	sst_fake_need_reset(fake);
	KUNIT_EXPECT_EQ(test, wait_for_completion_timeout(&fake->ready, glance), 0);
}

#ifdef CONFIG_FAULT_INJECTION
/*
 * Let the first allocation of a probe fail, then the second, and so on, as far as the
 * kernel's settings let allocations fail that may wait.
 */
static void sst_test_probe_without_memory(struct kunit *test)
{
	struct sst_fake *fake = sst_fake_plug(test);
	struct device *dev = &fake->vdev.dev;
	unsigned int left = 0, nth;
	bool bound;

	sst_fake_close(&fake->file);
	sst_fake_close(&fake->blocking);
	for (nth = 1; !left; nth++) {
		device_release_driver(dev);
		current->fail_nth = nth;
		bound = device_attach(dev) > 0;
		left = current->fail_nth;
		current->fail_nth = 0;
		/* What has failed may be something that it does without. */
		KUNIT_EXPECT_TRUE(test, bound || !left);
		KUNIT_EXPECT_EQ(test, sst_fake_bound(fake), bound);
	}
	fake->file = sst_fake_open(fake, O_NONBLOCK);
	KUNIT_ASSERT_NOT_ERR_OR_NULL(test, fake->file);
	sst_fake_expect_service(test, fake);
	kunit_info(test, "%u places to fail", nth - 2);
}
#endif

static struct kunit_case sst_device_test_cases[] = {
	KUNIT_CASE(sst_test_service),
	KUNIT_CASE(sst_test_kick_stops_clock),
	KUNIT_CASE(sst_test_kicks_apart),
	KUNIT_CASE(sst_test_answer_in_kick),
	KUNIT_CASE(sst_test_answer_after_kick),
	KUNIT_CASE(sst_test_answer_in_kick_for_others),
	KUNIT_CASE(sst_test_broken_in_kick),
	KUNIT_CASE(sst_test_answers_in_kick),
	KUNIT_CASE_PARAM(sst_test_stop_in_kick, sst_test_stops_gen_params),
	KUNIT_CASE(sst_test_needs_reset),
	KUNIT_CASE(sst_test_config_change),
	KUNIT_CASE_SLOW(sst_test_reset_rate),
	KUNIT_CASE(sst_test_notification_fails),
	KUNIT_CASE(sst_test_silent_device),
	KUNIT_CASE_PARAM(sst_test_restart_fails, sst_test_restart_failures_gen_params),
	KUNIT_CASE_PARAM(sst_test_reset_done_fails, sst_test_done_failures_gen_params),
	KUNIT_CASE_PARAM(sst_test_probe_fails, sst_test_probe_failures_gen_params),
	KUNIT_CASE(sst_test_reset_by_transport),
	KUNIT_CASE(sst_test_prepare_twice),
	KUNIT_CASE(sst_test_remove_while_stopped),
	KUNIT_CASE_SLOW(sst_test_reset_due_while_stopped),
	KUNIT_CASE_SLOW(sst_test_reset_due_after_start),
	KUNIT_CASE_SLOW(sst_test_timeout_after_reset),
	KUNIT_CASE(sst_test_ring_size),
	KUNIT_CASE(sst_test_fewer_queues),
	KUNIT_CASE(sst_test_reset_makes_room),
	KUNIT_CASE(sst_test_inboxes),
	KUNIT_CASE(sst_test_events),
	KUNIT_CASE(sst_test_events_and_reset),
	KUNIT_CASE(sst_test_events_restart_fails),
	KUNIT_CASE(sst_test_surprise_removal),
	KUNIT_CASE(sst_test_shutdown),
#ifdef CONFIG_FAULT_INJECTION
	KUNIT_CASE_SLOW(sst_test_probe_without_memory),
#endif
	{}
};

static struct kunit_suite sst_device_test_suite = {
	.name = "virtio_sst_device",
	.init = sst_fake_init,
	.exit = sst_fake_exit,
	.test_cases = sst_device_test_cases,
};

kunit_test_suite(sst_device_test_suite);

MODULE_DESCRIPTION("KUnit tests of the virtio SST driver with a device of their own");
MODULE_LICENSE("GPL");
