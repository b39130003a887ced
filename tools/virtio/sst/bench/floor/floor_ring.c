// SPDX-License-Identifier: GPL-2.0-only
/*
 * Floor of the benchmark, the ring: a kernel thread exchanges the messages of SST
 * devices on the request queue, with nothing around that a driver needs: no lock, no
 * time-out of a request, no copy, no other task to wake.
 *
 * It drives a device once it is bound to it by hand, in place of virtio-sst.
 */

#include <linux/completion.h>
#include <linux/err.h>
#include <linux/fs.h>
#include <linux/kthread.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/virtio_sst.h>
#include <linux/vmalloc.h>
#include <linux/wait.h>

#include "floor_internal.h"
#include "sst_floor.h"

/* Most exchanges of a run: room for what each took */
#define FLOOR_COUNT_MAX		4000000

/* A device that takes longer than that has failed. */
#define FLOOR_PATIENCE		(5 * HZ)

static unsigned int floor_id = SST_VIRTIO_ID;
module_param_named(virtio_id, floor_id, uint, 0444);
MODULE_PARM_DESC(virtio_id, "virtio device ID to drive");

/**
 * struct floor_slot - a request and its response
 * @request: as the device reads it
 * @response: as it writes it
 * @out: @request, for the ring
 * @in: @response, for the ring
 * @submitted: when it was added, in nanoseconds
 */
struct floor_slot {
	struct sst_request *request;
	struct sst_response *response;
	struct scatterlist out;
	struct scatterlist in;
	u64 submitted;
};

/**
 * struct floor_ring - a device, of which only the request queue is used
 * @vq: the request queue
 * @wait: the kernel thread, while it waits for an interrupt
 * @interrupts: interrupts of the current run
 * @slots: the messages
 * @free: those that are not in flight, the first @nr_free
 * @nr_free: their number
 */
struct floor_ring {
	struct virtqueue *vq;
	wait_queue_head_t wait;
	u64 interrupts;
	struct floor_slot slots[SST_FLOOR_DEPTH_MAX];
	struct floor_slot *free[SST_FLOOR_DEPTH_MAX];
	unsigned int nr_free;
};

/**
 * struct floor_work - a run, for the kernel thread
 * @ring: the device
 * @run: what to do, and what came of it
 * @samples: what each exchange took, in nanoseconds
 * @times: when each was over, in nanoseconds from @start
 * @start: when the first one was added
 * @end: when to stop
 * @done: exchanges that are over
 * @in_flight: exchanges that are not
 * @ret: 0 or what went wrong
 * @over: the thread has ended
 */
struct floor_work {
	struct floor_ring *ring;
	struct sst_floor_run *run;
	u32 *samples;
	u64 *times;
	u64 start;
	u64 end;
	unsigned int done;
	unsigned int in_flight;
	int ret;
	struct completion over;
};

/* Protects floor_ring, also against the end of the device during a run. */
static DEFINE_MUTEX(floor_lock);
static struct floor_ring *floor_ring;

/* Add a batch to the ring, with one kick. */
static int floor_submit(struct floor_work *work)
{
	struct floor_ring *ring = work->ring;
	u64 now = ktime_get_ns();
	unsigned int i;
	int ret;

	for (i = 0; i < work->run->batch; i++) {
		struct floor_slot *slot = ring->free[ring->nr_free - 1];
		struct scatterlist *sgs[] = { &slot->out, &slot->in };

		slot->submitted = now;
		ret = virtqueue_add_sgs(ring->vq, sgs, 1, 1, slot, GFP_KERNEL);
		if (ret)
			return ret;
		ring->nr_free--;
		work->in_flight++;
	}
	if (virtqueue_kick_prepare(ring->vq)) {
		work->run->kicks++;
		virtqueue_notify(ring->vq);
	}

	return 0;
}

/*
 * Take what the device has given back. Returns how much that was. All of it is over when
 * all is taken, as it is for a program that takes several responses with one call.
 */
static unsigned int floor_reap(struct floor_work *work)
{
	struct floor_ring *ring = work->ring;
	unsigned int first = ring->nr_free;
	struct floor_slot *slot;
	unsigned int length;
	unsigned int i;
	u64 now;

	while ((slot = virtqueue_get_buf(ring->vq, &length)))
		ring->free[ring->nr_free++] = slot;
	if (ring->nr_free == first)
		return 0;

	now = ktime_get_ns();
	for (i = first; i < ring->nr_free; i++) {
		work->samples[work->done] = now - ring->free[i]->submitted;
		work->times[work->done++] = now - work->start;
	}
	work->in_flight -= ring->nr_free - first;

	return ring->nr_free - first;
}

static int floor_wait_polled(struct floor_work *work)
{
	u64 limit = ktime_get_ns() + jiffies_to_nsecs(FLOOR_PATIENCE);
	unsigned int i;

	for (i = 1; !floor_reap(work); i++) {
		cpu_relax();
		if (i % 1024)
			continue;
		cond_resched();
		if (ktime_get_ns() > limit)
			return -ETIMEDOUT;
	}

	return 0;
}

static int floor_wait_interrupt(struct floor_work *work)
{
	struct floor_ring *ring = work->ring;
	u64 before;

	for (;;) {
		if (floor_reap(work))
			return 0;
		before = READ_ONCE(ring->interrupts);
		if (!virtqueue_enable_cb(ring->vq))
			continue;
		if (!wait_event_timeout(ring->wait,
					READ_ONCE(ring->interrupts) != before,
					FLOOR_PATIENCE))
			return -ETIMEDOUT;
		virtqueue_disable_cb(ring->vq);
	}
}

/* Whether a batch is to be added before anything is waited for */
static bool floor_may_submit(const struct floor_work *work)
{
	const struct sst_floor_run *run = work->run;
	unsigned int begun = work->done + work->in_flight;

	return work->in_flight + run->batch <= run->depth &&
	       begun + run->batch <= run->count &&
	       (!begun || ktime_get_ns() < work->end);
}

static int floor_exchange(struct floor_work *work)
{
	int ret = 0;

	while (!ret) {
		while (!ret && floor_may_submit(work))
			ret = floor_submit(work);
		if (ret || !work->in_flight)
			break;
		if (work->run->polled)
			ret = floor_wait_polled(work);
		else
			ret = floor_wait_interrupt(work);
	}

	return ret;
}

static int floor_thread(void *data)
{
	struct floor_work *work = data;
	struct floor_ring *ring = work->ring;

	virtqueue_disable_cb(ring->vq);
	ring->interrupts = 0;
	work->run->kicks = 0;
	work->start = ktime_get_ns();
	work->end = work->start + work->run->time_ns;
	work->ret = floor_exchange(work);
	work->run->time_ns = ktime_get_ns() - work->start;
	work->run->interrupts = ring->interrupts;
	work->run->count = work->done;
	complete(&work->over);

	return 0;
}

/* Have the kernel thread do a run. */
static int floor_start(struct sst_floor_run *run, u32 *samples, u64 *times)
{
	struct floor_work work = {
		.ring = floor_ring,
		.run = run,
		.samples = samples,
		.times = times,
	};
	struct task_struct *task;

	/* After a failed run, the device still has some. */
	if (!work.ring || work.ring->nr_free != SST_FLOOR_DEPTH_MAX)
		return -ENODEV;

	init_completion(&work.over);
	task = kthread_run(floor_thread, &work, "sst-floor");
	if (IS_ERR(task))
		return PTR_ERR(task);

	wait_for_completion(&work.over);
	return work.ret;
}

static bool floor_run_valid(const struct sst_floor_run *run)
{
	return run->depth && run->depth <= SST_FLOOR_DEPTH_MAX && run->batch &&
	       run->batch <= run->depth && run->polled <= 1 && run->count &&
	       run->count <= FLOOR_COUNT_MAX;
}

static int floor_report(struct sst_floor_run __user *arg, const struct sst_floor_run *run,
			const u32 *samples, const u64 *times)
{
	if (copy_to_user(u64_to_user_ptr(run->samples), samples, run->count * sizeof(*samples)) ||
	    copy_to_user(u64_to_user_ptr(run->times), times, run->count * sizeof(*times)) ||
	    copy_to_user(arg, run, sizeof(*run)))
		return -EFAULT;

	return 0;
}

static int floor_run(struct sst_floor_run __user *arg)
{
	struct sst_floor_run run;
	u32 *samples;
	u64 *times;
	int ret;

	if (copy_from_user(&run, arg, sizeof(run)))
		return -EFAULT;
	if (!floor_run_valid(&run))
		return -EINVAL;

	samples = vcalloc(run.count, sizeof(*samples));
	times = vcalloc(run.count, sizeof(*times));
	ret = samples && times ? 0 : -ENOMEM;
	if (!ret) {
		mutex_lock(&floor_lock);
		ret = floor_start(&run, samples, times);
		mutex_unlock(&floor_lock);
	}
	if (!ret)
		ret = floor_report(arg, &run, samples, times);
	vfree(times);
	vfree(samples);

	return ret;
}

static long floor_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	if (cmd != SST_FLOOR_IOCTL_RUN)
		return -ENOTTY;

	return floor_run((void __user *)arg);
}

static const struct file_operations floor_fops = {
	.owner = THIS_MODULE,
	.unlocked_ioctl = floor_ioctl,
};

static struct miscdevice floor_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sst-floor",
	.fops = &floor_fops,
};

static void floor_callback(struct virtqueue *vq)
{
	struct floor_ring *ring = vq->vdev->priv;

	WRITE_ONCE(ring->interrupts, ring->interrupts + 1);
	wake_up(&ring->wait);
}

static void floor_free(struct floor_ring *ring)
{
	unsigned int i;

	for (i = 0; i < SST_FLOOR_DEPTH_MAX; i++) {
		kfree(ring->slots[i].request);
		kfree(ring->slots[i].response);
	}
	kfree(ring);
}

static int floor_fill(struct floor_ring *ring)
{
	unsigned int i;

	for (i = 0; i < SST_FLOOR_DEPTH_MAX; i++) {
		struct floor_slot *slot = &ring->slots[i];

		slot->request = kzalloc_obj(*slot->request);
		slot->response = kzalloc_obj(*slot->response);
		if (!slot->request || !slot->response)
			return -ENOMEM;
		slot->request->type = cpu_to_le32(SST_REQUEST_ECHO);
		sg_init_one(&slot->out, slot->request, sizeof(*slot->request));
		sg_init_one(&slot->in, slot->response, sizeof(*slot->response));
		ring->free[ring->nr_free++] = slot;
	}

	return 0;
}

static struct floor_ring *floor_alloc(void)
{
	struct floor_ring *ring = kzalloc_obj(*ring);

	if (!ring)
		return NULL;

	init_waitqueue_head(&ring->wait);
	if (floor_fill(ring)) {
		floor_free(ring);
		return NULL;
	}

	return ring;
}

static int floor_probe(struct virtio_device *vdev)
{
	struct virtqueue_info info[] = { { "request", floor_callback } };
	struct floor_ring *ring = floor_alloc();
	int ret;

	if (!ring)
		return -ENOMEM;

	vdev->priv = ring;
	ret = virtio_find_vqs(vdev, ARRAY_SIZE(info), &ring->vq, info, NULL);
	if (ret) {
		floor_free(ring);
		return ret;
	}

	virtio_device_ready(vdev);
	mutex_lock(&floor_lock);
	if (!floor_ring)
		floor_ring = ring;
	mutex_unlock(&floor_lock);

	return 0;
}

static void floor_remove(struct virtio_device *vdev)
{
	struct floor_ring *ring = vdev->priv;

	mutex_lock(&floor_lock);
	if (floor_ring == ring)
		floor_ring = NULL;
	mutex_unlock(&floor_lock);

	virtio_reset_device(vdev);
	vdev->config->del_vqs(vdev);
	floor_free(ring);
}

/* Not for the loading of the module by what is there */
static struct virtio_device_id floor_id_table[] = {
	{ 0, VIRTIO_DEV_ANY_ID },
	{ 0 },
};

static struct virtio_driver floor_driver = {
	.driver.name = "sst-floor",
	.id_table = floor_id_table,
	.probe = floor_probe,
	.remove = floor_remove,
};

static int __init floor_init(void)
{
	int ret;

	floor_id_table[0].device = floor_id;
	ret = sst_null_init();
	if (ret)
		return ret;

	ret = misc_register(&floor_misc);
	if (ret)
		goto exit_null;

	ret = register_virtio_driver(&floor_driver);
	if (ret)
		goto deregister_misc;

	return 0;

deregister_misc:
	misc_deregister(&floor_misc);
exit_null:
	sst_null_exit();
	return ret;
}
module_init(floor_init);

static void __exit floor_exit(void)
{
	unregister_virtio_driver(&floor_driver);
	misc_deregister(&floor_misc);
	sst_null_exit();
}
module_exit(floor_exit);

MODULE_DESCRIPTION("Floor of the virtio SST benchmark");
MODULE_LICENSE("GPL");
