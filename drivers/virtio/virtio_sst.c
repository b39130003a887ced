// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: the device, from its probe to its removal.
 */

#define pr_fmt(fmt) "virtio-sst: " fmt

#include <linux/cpumask.h>
#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/pm.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "virtio_sst_internal.h"
#include "virtio_sst_trace.h"

/* virtqueue order: further pairs of a request and a response queue follow */
enum {
	SST_VQ_REQUEST,
	SST_VQ_RESPONSE,
	SST_VQ_EVENT,
	SST_VQ_FURTHER,
};

#define SST_EXTRA_IDS_MAX	8

/* A device that asks for a reset after each reset is not to keep a CPU busy. */
#define SST_RESET_INTERVAL	HZ

static DEFINE_IDA(sst_ida);

/* Module parameters */

static unsigned int sst_request_timeout = SST_REQUEST_TIMEOUT_DEFAULT_MS;
static unsigned int sst_max_devices = 1U << MINORBITS;
static unsigned int sst_extra_ids[SST_EXTRA_IDS_MAX];
static unsigned int sst_nr_extra_ids;
unsigned int sst_reset_after = 16;
bool sst_debug;

static int sst_param_set_range(const char *val, const struct kernel_param *kp,
			       unsigned int least, unsigned int most)
{
	unsigned int n;
	int ret;

	ret = kstrtouint(val, 0, &n);
	if (ret || n < least || n > most) {
		pr_err("parameter %s takes a number from %u to %u, not '%s'\n",
		       kp->name, least, most, val);
		return ret ?: -EINVAL;
	}
	*(unsigned int *)kp->arg = n;
	return 0;
}

static int sst_param_set_timeout(const char *val, const struct kernel_param *kp)
{
	return sst_param_set_range(val, kp, SST_REQUEST_TIMEOUT_MIN_MS,
				   SST_REQUEST_TIMEOUT_MAX_MS);
}

static int sst_param_set_devices(const char *val, const struct kernel_param *kp)
{
	return sst_param_set_range(val, kp, 1, 1U << MINORBITS);
}

static const struct kernel_param_ops sst_param_timeout_ops = {
	.set = sst_param_set_timeout,
	.get = param_get_uint,
};

static const struct kernel_param_ops sst_param_devices_ops = {
	.set = sst_param_set_devices,
	.get = param_get_uint,
};

module_param_cb(request_timeout, &sst_param_timeout_ops, &sst_request_timeout, 0444);
MODULE_PARM_DESC(request_timeout,
		 "Milliseconds that a device has to answer a request, unless set for the device (default 5000)");
module_param_cb(max_devices, &sst_param_devices_ops, &sst_max_devices, 0444);
MODULE_PARM_DESC(max_devices, "Devices to serve at most (1 to 1048576, the default)");
module_param_array_named(virtio_id, sst_extra_ids, uint, &sst_nr_extra_ids, 0444);
MODULE_PARM_DESC(virtio_id, "Further virtio device IDs to drive (up to 8)");
module_param_named(reset_after, sst_reset_after, uint, 0644);
MODULE_PARM_DESC(reset_after,
		 "Overdue requests in a row after which a device is reset (default 16, 0: never)");
module_param_named(debug, sst_debug, bool, 0644);
MODULE_PARM_DESC(debug, "Log devices found, and time-outs, late and mismatched responses one by one (default off)");

/*
 * Start and stop
 *
 * One pair of functions serves probe and remove, suspend and resume, a reset that
 * the transport announces, and a reset of the driver's own. @run_lock serializes
 * them, and @running tells which of the two is due: of two who want the device
 * stopped the second one has nothing to do.
 */

/* The number of the request queue of pair @i, right before its response queue */
static unsigned int sst_request_vq(unsigned int i)
{
	return i ? SST_VQ_FURTHER + 2 * (i - 1) : SST_VQ_REQUEST;
}

static unsigned int sst_nr_vqs(unsigned int pairs)
{
	return SST_VQ_FURTHER + 2 * (pairs - 1);
}

static void sst_queue_callback(struct virtqueue *vq)
{
	struct sst_device *sst = vq->vdev->priv;
	unsigned int pair = vq->index < SST_VQ_FURTHER ? 0 :
			    1 + (vq->index - SST_VQ_FURTHER) / 2;

	sst_queue_drain(&sst->queues[pair], SST_DRAIN_CALLBACK);
}

/* Find the virtqueues. Returns 0 or a negative error code. */
static int sst_find_vqs(struct sst_device *sst, struct virtqueue *vqs[])
{
	unsigned int nr = sst_nr_vqs(sst->nr_queues);
	struct virtqueue_info *info;
	unsigned int i;
	int ret;

	info = kcalloc(nr, sizeof(*info), GFP_KERNEL);
	if (!info)
		return -ENOMEM;

	for (i = 0; i < sst->nr_queues; i++) {
		info[sst_request_vq(i)] = (struct virtqueue_info) {
			"request", sst_queue_callback
		};
		info[sst_request_vq(i) + 1] = (struct virtqueue_info) {
			"response", sst_queue_callback
		};
	}
	info[SST_VQ_EVENT] = (struct virtqueue_info) { "event", sst_events_callback };
	ret = virtio_find_vqs(sst->vdev, nr, vqs, info, NULL);
	kfree(info);

	return ret;
}

/* Have the interrupts of a pair where its users are, if the transport can do that. */
static void sst_set_affinity(struct sst_device *sst, unsigned int pair,
			     struct virtqueue *requests, struct virtqueue *responses)
{
	cpumask_var_t mask;
	unsigned int cpu;

	if (sst->nr_queues == 1 || !zalloc_cpumask_var(&mask, GFP_KERNEL))
		return;

	for_each_possible_cpu(cpu)
		if (cpu % sst->nr_queues == pair)
			cpumask_set_cpu(cpu, mask);
	virtqueue_set_affinity(requests, mask);
	virtqueue_set_affinity(responses, mask);
	free_cpumask_var(mask);
}

static int sst_check_size(struct sst_device *sst, struct virtqueue *requests)
{
	unsigned int size = virtqueue_get_vring_size(requests);

	if (size >= SST_CHAIN_LENGTH)
		return 0;

	return dev_err_probe(&sst->vdev->dev, -EINVAL,
			     "request queue of size %u, %u is the least\n",
			     size, SST_CHAIN_LENGTH);
}

/* Let the queues have their virtqueues. Returns 0 or a negative error code. */
static int sst_attach(struct sst_device *sst, struct virtqueue *vqs[])
{
	struct sst_queue *q;
	int ret;

	for (q = sst->queues; q < sst_queues_end(sst); q++) {
		ret = sst_check_size(sst, vqs[sst_request_vq(q->index)]);
		if (ret)
			return ret;
	}

	for (q = sst->queues; q < sst_queues_end(sst); q++) {
		struct virtqueue **pair = &vqs[sst_request_vq(q->index)];

		sst_set_affinity(sst, q->index, pair[0], pair[1]);
		sst_queue_attach(q, pair[0], pair[1]);
	}
	sst_events_attach(&sst->events, vqs[SST_VQ_EVENT]);

	return 0;
}

/* Find the virtqueues and have them used. Returns 0 or a negative error code. */
static int sst_set_up_vqs(struct sst_device *sst)
{
	struct virtqueue **vqs;
	int ret;

	vqs = kcalloc(sst_nr_vqs(sst->nr_queues), sizeof(*vqs), GFP_KERNEL);
	if (!vqs)
		return -ENOMEM;

	ret = sst_find_vqs(sst, vqs);
	if (ret) {
		dev_err_probe(&sst->vdev->dev, ret,
			      "%u pairs of a request and a response queue, and an event queue: not there\n",
			      sst->nr_queues);
	} else {
		ret = sst_attach(sst, vqs);
		if (ret)
			sst->vdev->config->del_vqs(sst->vdev);
	}
	kfree(vqs);

	return ret;
}

/* The caller goes on with sst_events_open(). */
static int sst_start(struct sst_device *sst)
{
	struct sst_queue *q;
	int ret;

	ret = sst_set_up_vqs(sst);
	if (ret)
		return ret;

	/* Some devices' rings can't be filled before. */
	virtio_device_ready(sst->vdev);
	/* A reset that somebody has asked for before has just been made. */
	spin_lock_irq(&sst->reset_lock);
	sst->reset_reason = NULL;
	spin_unlock_irq(&sst->reset_lock);
	for (q = sst->queues; q < sst_queues_end(sst); q++)
		sst_queue_open(q);
	WRITE_ONCE(sst->running, true);

	return 0;
}

static void sst_stop(struct sst_device *sst)
{
	struct sst_queue *q;

	WRITE_ONCE(sst->running, false);
	for (q = sst->queues; q < sst_queues_end(sst); q++)
		sst_queue_hold(q);
	/* No kick of a request after this */
	synchronize_srcu(&sst->srcu);
	virtio_reset_device(sst->vdev);
	for (q = sst->queues; q < sst_queues_end(sst); q++)
		sst_queue_detach(q);
	sst_events_detach(&sst->events);
	/* A callback, or one who polls, may still be about to notify. */
	virtio_synchronize_cbs(sst->vdev);
	synchronize_srcu(&sst->srcu);
	sst->vdev->config->del_vqs(sst->vdev);
	for (q = sst->queues; q < sst_queues_end(sst); q++)
		sst_queue_recover(q);
	/* Those who waited for an answer know now that there is none. */
	sst_wake_all(sst);
}

/*
 * From here on no request is submitted, but one may be half-way in a kick, and no
 * reset is asked for.
 */
static void sst_mark_gone(struct sst_device *sst)
{
	struct sst_queue *q;

	spin_lock_irq(&sst->reset_lock);
	WRITE_ONCE(sst->gone, true);
	spin_unlock_irq(&sst->reset_lock);
	/* Who has not seen it yet has the lock. */
	for (q = sst->queues; q < sst_queues_end(sst); q++)
		sst_queue_hold(q);
	sst_wake_all(sst);
}

/* Start a device that was stopped. One that can't be started is as good as gone. */
static int sst_start_again(struct sst_device *sst)
{
	int ret;

	ret = sst_start(sst);
	if (ret) {
		dev_err(&sst->dev, "cannot be started again: %d\n", ret);
		sst_mark_gone(sst);
		return ret;
	}

	spin_lock_irq(&sst->reset_lock);
	sst->resets++;
	spin_unlock_irq(&sst->reset_lock);
	/* Who learns of the reset finds it counted. Nobody else changes @resets meanwhile. */
	sst_events_open(&sst->events, sst->resets);
	sst_netlink_fault(sst);
	/* Who has waited for that goes on. */
	sst_wake_all(sst);

	return 0;
}

/* What the virtio core does with a device before its driver's probe */
static int sst_negotiate(struct virtio_device *vdev)
{
	int ret;

	virtio_add_status(vdev, VIRTIO_CONFIG_S_ACKNOWLEDGE | VIRTIO_CONFIG_S_DRIVER);
	ret = vdev->config->finalize_features(vdev);
	if (ret || !virtio_has_feature(vdev, VIRTIO_F_VERSION_1))
		return ret;

	virtio_add_status(vdev, VIRTIO_CONFIG_S_FEATURES_OK);
	return vdev->config->get_status(vdev) & VIRTIO_CONFIG_S_FEATURES_OK ? 0 : -ENODEV;
}

static void sst_reset(struct sst_device *sst, const char *reason)
{
	int ret;

	trace_sst_reset(sst, reason);
	dev_warn(&sst->dev, "device reset (%s)\n", reason);
	sst_stop(sst);
	ret = sst_negotiate(sst->vdev);
	if (ret) {
		dev_err(&sst->dev, "refuses its features after a reset: %d\n", ret);
		sst_mark_gone(sst);
	} else {
		ret = sst_start_again(sst);
	}
	if (ret)
		virtio_add_status(sst->vdev, VIRTIO_CONFIG_S_FAILED);

	spin_lock_irq(&sst->reset_lock);
	sst->reset_at = jiffies + SST_RESET_INTERVAL;
	spin_unlock_irq(&sst->reset_lock);
	sst_netlink_changed(sst);
}

/* How long an automatic reset has to wait, in jiffies */
static unsigned long sst_reset_delay(const struct sst_device *sst)
{
	unsigned long now = jiffies;

	/* A time long ago must not be taken for one far ahead. */
	return time_after(sst->reset_at, now) ?
	       min_t(unsigned long, sst->reset_at - now, SST_RESET_INTERVAL) : 0;
}

/**
 * sst_ask_reset() - have the device reset
 * @sst: the device
 * @reason: why, for the log
 * @at_once: do not wait, even if it was reset a moment ago
 *
 * No request is submitted until then.
 *
 * Context: Process context. Takes and releases the locks of the queues.
 * Return: 0, or -ENODEV if the device is gone.
 */
int sst_ask_reset(struct sst_device *sst, const char *reason, bool at_once)
{
	struct sst_queue *q;
	int ret = -ENODEV;

	for (q = sst->queues; q < sst_queues_end(sst); q++)
		sst_queue_hold(q);

	spin_lock_irq(&sst->reset_lock);
	if (!sst->gone) {
		sst->reset_reason = reason;
		mod_delayed_work(system_dfl_wq, &sst->reset_work,
				 at_once ? 0 : sst_reset_delay(sst));
		ret = 0;
	}
	spin_unlock_irq(&sst->reset_lock);

	return ret;
}

/*
 * Returns why a reset is due, or NULL. One that the device asks for may have to
 * wait.
 */
static const char *sst_reset_due(struct sst_device *sst)
{
	const char *reason;

	spin_lock_irq(&sst->reset_lock);
	reason = sst->reset_reason;
	spin_unlock_irq(&sst->reset_lock);
	if (!reason &&
	    sst->vdev->config->get_status(sst->vdev) & VIRTIO_CONFIG_S_NEEDS_RESET)
		sst_ask_reset(sst, "asked for by the device", false);

	return reason;
}

static void sst_reset_work(struct work_struct *work)
{
	struct sst_device *sst = container_of(to_delayed_work(work),
					      struct sst_device, reset_work);
	const char *reason;

	mutex_lock(&sst->run_lock);
	/* A device that was stopped will be reset when it is started. */
	reason = sst->running ? sst_reset_due(sst) : NULL;
	if (reason)
		sst_reset(sst, reason);
	mutex_unlock(&sst->run_lock);
}

/* The device may want to be reset: the status can't be read in any context. */
static void sst_config_changed(struct virtio_device *vdev)
{
	struct sst_device *sst = vdev->priv;
	unsigned long flags;

	spin_lock_irqsave(&sst->reset_lock, flags);
	if (!sst->gone)
		queue_delayed_work(system_dfl_wq, &sst->reset_work, 0);
	spin_unlock_irqrestore(&sst->reset_lock, flags);
}

/* The end: nobody asks for a reset any more. */
static void sst_shut_down(struct sst_device *sst)
{
	sst_mark_gone(sst);
	cancel_delayed_work_sync(&sst->reset_work);
	mutex_lock(&sst->run_lock);
	if (sst->running)
		sst_stop(sst);
	else
		virtio_reset_device(sst->vdev);
	mutex_unlock(&sst->run_lock);
}

/**
 * sst_prepare_shutdown() - leave a device alone that is about to be shut down
 * @dev: the class device
 *
 * What comes after this kernel has other uses for the memory that a device would
 * write to: it must not be started again.
 *
 * Context: Process context, may sleep.
 * Return: 0.
 */
int sst_prepare_shutdown(struct device *dev)
{
	struct sst_device *sst = to_sst_device(dev);

	sst_mark_gone(sst);
	cancel_delayed_work_sync(&sst->reset_work);

	return 0;
}

/* The device is going to lose its state: at a suspension, or a transport's reset */
static int sst_freeze(struct virtio_device *vdev)
{
	struct sst_device *sst = vdev->priv;

	mutex_lock(&sst->run_lock);
	if (sst->running)
		sst_stop(sst);
	mutex_unlock(&sst->run_lock);
	sst_netlink_changed(sst);

	return 0;
}

/* The device was reset and has its features. */
static int sst_restore(struct virtio_device *vdev)
{
	struct sst_device *sst = vdev->priv;
	int ret = -ENODEV;

	mutex_lock(&sst->run_lock);
	if (!sst->gone)
		ret = sst_start_again(sst);
	mutex_unlock(&sst->run_lock);
	sst_netlink_changed(sst);

	return ret;
}

/* Settings */

/**
 * sst_configure() - change settings of a device
 * @sst: the device
 * @timeout_ms: time that it has to answer, in milliseconds, or NULL
 * @busy_poll_us: how long to look for an answer, in microseconds, or NULL
 *
 * Context: Process context, may sleep.
 * Return: 0, or -EINVAL if one of them is out of range; none is changed then.
 */
int sst_configure(struct sst_device *sst, const unsigned int *timeout_ms,
		  const unsigned int *busy_poll_us)
{
	if (timeout_ms && (*timeout_ms < SST_REQUEST_TIMEOUT_MIN_MS ||
			   *timeout_ms > SST_REQUEST_TIMEOUT_MAX_MS))
		return -EINVAL;
	if (busy_poll_us && *busy_poll_us > SST_BUSY_POLL_MAX_US)
		return -EINVAL;

	if (timeout_ms)
		WRITE_ONCE(sst->request_timeout_ms, *timeout_ms);
	if (busy_poll_us)
		WRITE_ONCE(sst->busy_poll_us, *busy_poll_us);
	sst_netlink_changed(sst);

	return 0;
}

/* The device */

/* Have no more than @nr pairs of queues. */
static void sst_drop_queues(struct sst_device *sst, unsigned int nr)
{
	while (sst->nr_queues > nr)
		sst_queue_free(&sst->queues[--sst->nr_queues]);
}

static void sst_release(struct device *dev)
{
	struct sst_device *sst = to_sst_device(dev);

	sst_drop_queues(sst, 0);
	kvfree(sst->queues);
	sst_inbox_free(&sst->events.inbox);
	cleanup_srcu_struct(&sst->srcu);
	kfree(sst);
}

static struct sst_device *sst_alloc(struct virtio_device *vdev)
{
	struct sst_device *sst;
	int ret;

	sst = kzalloc_obj(*sst);
	if (!sst)
		return ERR_PTR(-ENOMEM);

	ret = init_srcu_struct(&sst->srcu);
	if (ret) {
		kfree(sst);
		return ERR_PTR(ret);
	}

	sst->vdev = vdev;
	sst->request_timeout_ms = sst_request_timeout;
	atomic64_set(&sst->serials, 0);
	spin_lock_init(&sst->files_lock);
	INIT_LIST_HEAD(&sst->files);
	INIT_LIST_HEAD(&sst->netlink_node);
	mutex_init(&sst->run_lock);
	INIT_DELAYED_WORK(&sst->reset_work, sst_reset_work);
	spin_lock_init(&sst->reset_lock);
	sst->reset_at = jiffies;
	sst_events_init(&sst->events);

	device_initialize(&sst->dev);
	sst->dev.class = &sst_class;
	sst->dev.parent = &vdev->dev;
	sst->dev.groups = sst_groups;
	sst->dev.release = sst_release;

	return sst;
}

static int sst_name(struct sst_device *sst)
{
	int index;
	int ret;

	index = ida_alloc_max(&sst_ida, sst_max_devices - 1, GFP_KERNEL);
	if (index < 0)
		return dev_err_probe(&sst->vdev->dev, index,
				     "more than max_devices=%u devices\n",
				     sst_max_devices);

	sst->index = index;
	ret = dev_set_name(&sst->dev, "sst%d", index);
	if (ret)
		ida_free(&sst_ida, index);

	return ret;
}

static void sst_read_config(struct sst_device *sst)
{
	u64 features;

	virtio_cread_le(sst->vdev, struct sst_config, version, &sst->version);
	virtio_cread_le(sst->vdev, struct sst_config, device_id, &sst->device_id);
	virtio_cread_le(sst->vdev, struct sst_config, features, &features);
	sst->features = features & SST_FEATURES_KNOWN;
}

/* One pair of queues for each CPU, as far as the device has them */
static unsigned int sst_count_pairs(struct virtio_device *vdev)
{
	u64 max_queues;

	if (!virtio_has_feature(vdev, SST_F_MULTI_QUEUE))
		return 1;

	virtio_cread_le(vdev, struct sst_config, max_queues, &max_queues);
	return clamp_t(u64, max_queues, 1, num_online_cpus());
}

static int sst_alloc_queues(struct sst_device *sst)
{
	unsigned int nr = sst_count_pairs(sst->vdev);
	int ret = 0;

	sst->queues = kvcalloc(nr, sizeof(*sst->queues), GFP_KERNEL);
	if (!sst->queues)
		return -ENOMEM;

	while (!ret && sst->nr_queues < nr) {
		ret = sst_queue_init(&sst->queues[sst->nr_queues], sst, sst->nr_queues);
		sst->nr_queues++;
	}

	return ret;
}

static int sst_validate(struct virtio_device *vdev)
{
	if (!vdev->config->get) {
		dev_err(&vdev->dev, "no configuration space\n");
		return -EINVAL;
	}

	/* The messages are little-endian; a legacy device would have others. */
	if (!virtio_has_feature(vdev, VIRTIO_F_VERSION_1) &&
	    !virtio_legacy_is_little_endian()) {
		dev_err(&vdev->dev, "a legacy device needs a little-endian machine\n");
		return -ENODEV;
	}

	return 0;
}

/* A transport may have fewer virtqueues than the device speaks of. */
static int sst_first_start(struct sst_device *sst)
{
	int ret;

	mutex_lock(&sst->run_lock);
	ret = sst_start(sst);
	if (ret && sst->nr_queues > 1) {
		dev_warn(&sst->vdev->dev, "trying one pair of queues\n");
		sst_drop_queues(sst, 1);
		ret = sst_start(sst);
	}
	if (!ret)
		sst_events_open(&sst->events, 0);
	mutex_unlock(&sst->run_lock);

	return ret;
}

static int sst_probe(struct virtio_device *vdev)
{
	struct sst_device *sst;
	int ret;

	sst = sst_alloc(vdev);
	if (IS_ERR(sst))
		return PTR_ERR(sst);
	vdev->priv = sst;

	ret = sst_alloc_queues(sst);
	if (ret)
		goto put_device;

	ret = sst_events_alloc(&sst->events);
	if (ret)
		goto put_device;

	ret = sst_name(sst);
	if (ret)
		goto put_device;

	sst_read_config(sst);
	ret = sst_first_start(sst);
	if (ret)
		goto free_index;

	/* Not before the device runs: a program may be quick to open it. */
	ret = sst_cdev_add(sst);
	if (ret)
		goto stop;
	sst_debugfs_add(sst);
	sst_netlink_add(sst);

	sst_dbg(sst, "wire version %#x, device id %u, features %#llx, %u queue pairs, room for %u requests in each\n",
		sst->version, sst->device_id, sst->features, sst->nr_queues,
		sst->queues->capacity);
	return 0;

stop:
	sst_shut_down(sst);
free_index:
	ida_free(&sst_ida, sst->index);
put_device:
	put_device(&sst->dev);
	return ret;
}

static void sst_add_stats(struct sst_stats *sum, const struct sst_stats *stats)
{
	sum->requests += stats->requests;
	sum->responses += stats->responses;
	sum->timeouts += stats->timeouts;
	sum->abandoned += stats->abandoned;
	sum->cancelled += stats->cancelled;
	sum->aborted += stats->aborted;
	sum->malformed += stats->malformed;
	sum->mismatches += stats->mismatches;
	sum->unmatched += stats->unmatched;
	sum->late += stats->late;
	sum->kicks += stats->kicks;
	sum->interrupts += stats->interrupts;
}

static void sst_add_queue(struct sst_totals *totals, struct sst_queue *q)
{
	spin_lock_irq(&q->lock);
	sst_add_stats(&totals->queue, &q->stats);
	totals->in_flight += q->occupied - q->zombies;
	totals->zombies += q->zombies;
	totals->slots += q->nr_slots;
	totals->lost_response_buffers += q->responses.lost;
	spin_unlock_irq(&q->lock);
}

/**
 * sst_get_queue_totals() - get what a queue has counted
 * @q: the queue
 * @totals: where to put it; what only devices count is 0
 *
 * Context: Process context. Takes and releases the lock of the queue.
 */
void sst_get_queue_totals(struct sst_queue *q, struct sst_totals *totals)
{
	memset(totals, 0, sizeof(*totals));
	sst_add_queue(totals, q);
}

/**
 * sst_get_totals() - get what a device has counted
 * @sst: the device
 * @totals: where to put it
 *
 * Context: Process context. Takes and releases the locks of the queues.
 */
void sst_get_totals(struct sst_device *sst, struct sst_totals *totals)
{
	struct sst_queue *q;

	memset(totals, 0, sizeof(*totals));
	for (q = sst->queues; q < sst_queues_end(sst); q++)
		sst_add_queue(totals, q);

	spin_lock_irq(&sst->reset_lock);
	totals->resets = sst->resets;
	spin_unlock_irq(&sst->reset_lock);

	spin_lock_irq(&sst->events.lock);
	totals->events = sst->events.received;
	totals->malformed_events = sst->events.malformed;
	totals->lost_events = sst->events.lost;
	totals->lost_event_buffers = sst->events.inbox.lost;
	spin_unlock_irq(&sst->events.lock);

	totals->errors = totals->queue.timeouts + totals->queue.malformed +
			 totals->malformed_events;
}

static void sst_log_statistics(struct sst_device *sst)
{
	struct sst_totals totals;

	sst_get_totals(sst, &totals);
	dev_info(&sst->dev,
		 "Statistics: requests %llu responses %llu events %llu errors %llu\n",
		 totals.queue.requests, totals.queue.responses, totals.events,
		 totals.errors);
}

static void sst_remove(struct virtio_device *vdev)
{
	struct sst_device *sst = vdev->priv;

	sst_mark_gone(sst);
	sst_debugfs_del(sst);
	sst_cdev_del(sst);
	sst_shut_down(sst);
	sst_netlink_del(sst);

	sst_log_statistics(sst);
	ida_free(&sst_ida, sst->index);
	put_device(&sst->dev);
}

static const unsigned int sst_features[] = {
	SST_F_ECHO,
	SST_F_COMPUTE,
	SST_F_MEMORY,
	SST_F_EVENTS,
	SST_F_MULTI_QUEUE,
	SST_F_RESET,
};

/* For the loading of the module by what is there */
static const struct virtio_device_id sst_modalias_table[] = {
	{ SST_VIRTIO_ID, VIRTIO_DEV_ANY_ID },
	{ SST_VIRTIO_ID_PCI, VIRTIO_DEV_ANY_ID },
	{ 0 },
};
MODULE_DEVICE_TABLE(virtio, sst_modalias_table);

#define SST_NR_OWN_IDS	(ARRAY_SIZE(sst_modalias_table) - 1)

/* The same, then those of the parameter virtio_id, then the end */
static struct virtio_device_id sst_id_table[SST_NR_OWN_IDS + SST_EXTRA_IDS_MAX + 1] = {
	{ SST_VIRTIO_ID, VIRTIO_DEV_ANY_ID },
	{ SST_VIRTIO_ID_PCI, VIRTIO_DEV_ANY_ID },
};

static struct virtio_driver sst_driver = {
	.driver.name = SST_NAME,
	.id_table = sst_id_table,
	.feature_table = sst_features,
	.feature_table_size = ARRAY_SIZE(sst_features),
	.validate = sst_validate,
	.probe = sst_probe,
	.remove = sst_remove,
	.config_changed = sst_config_changed,
	.freeze = pm_sleep_ptr(sst_freeze),
	.restore = pm_sleep_ptr(sst_restore),
	.reset_prepare = sst_freeze,
	.reset_done = sst_restore,
};

static int __init sst_add_ids(void)
{
	unsigned int i;

	for (i = 0; i < sst_nr_extra_ids; i++) {
		unsigned int id = sst_extra_ids[i];

		if (!id || id == VIRTIO_DEV_ANY_ID) {
			pr_err("parameter virtio_id: %#x is not a device ID\n", id);
			return -EINVAL;
		}
		sst_id_table[SST_NR_OWN_IDS + i].device = id;
		sst_id_table[SST_NR_OWN_IDS + i].vendor = VIRTIO_DEV_ANY_ID;
	}
	return 0;
}

static int __init sst_init(void)
{
	int ret;

	ret = sst_add_ids();
	if (ret)
		return ret;

	ret = sst_cdev_init();
	if (ret)
		return ret;

	ret = sst_netlink_init();
	if (ret)
		goto exit_cdev;

	sst_debugfs_init();
	ret = register_virtio_driver(&sst_driver);
	if (ret)
		goto exit_debugfs;

	return 0;

exit_debugfs:
	sst_debugfs_exit();
	sst_netlink_exit();
exit_cdev:
	sst_cdev_exit();
	return ret;
}
module_init(sst_init);

static void __exit sst_exit(void)
{
	unregister_virtio_driver(&sst_driver);
	sst_debugfs_exit();
	sst_netlink_exit();
	sst_cdev_exit();
}
module_exit(sst_exit);

MODULE_DESCRIPTION("Virtio SST (hardware simulator) driver");
MODULE_LICENSE("GPL");
