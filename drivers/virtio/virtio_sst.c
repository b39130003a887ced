// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: the device, from its probe to its removal.
 */

#define pr_fmt(fmt) "virtio-sst: " fmt

#include <linux/dma-mapping.h>
#include <linux/idr.h>
#include <linux/module.h>
#include <linux/moduleparam.h>
#include <linux/slab.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>

#include "virtio_sst_internal.h"

/* virtqueue order */
enum {
	SST_VQ_REQUEST,
	SST_VQ_RESPONSE,
	SST_VQ_EVENT,
	SST_NR_VQS,
};

/* A virtqueue holds no more requests than this, even if it could. */
#define SST_QUEUE_CAPACITY_MAX	1024

/* Descriptors that a request needs where none are indirect */
#define SST_CHAIN_LENGTH	2

#define SST_EVENT_BUFFERS_MAX	64

#define SST_EXTRA_IDS_MAX	8

static DEFINE_IDA(sst_ida);

/* Module parameters */

static unsigned int sst_request_timeout = SST_REQUEST_TIMEOUT_DEFAULT_MS;
static unsigned int sst_max_devices = 1U << MINORBITS;
static unsigned int sst_extra_ids[SST_EXTRA_IDS_MAX];
static unsigned int sst_nr_extra_ids;
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
module_param_named(debug, sst_debug, bool, 0644);
MODULE_PARM_DESC(debug, "Log devices found, and time-outs, late and mismatched responses one by one (default off)");

/* Events */

static int sst_event_post(struct sst_event_queue *events, void *buffer)
{
	struct scatterlist sg;

	sg_init_one(&sg, buffer, sizeof(struct sst_event));
	return virtqueue_add_inbuf(events->vq, &sg, 1, buffer, GFP_ATOMIC);
}

static void sst_event_callback(struct virtqueue *vq)
{
	struct sst_device *sst = vq->vdev->priv;
	struct sst_event_queue *events = &sst->events;
	bool kick = false;
	unsigned long flags;
	u32 length;
	void *buffer;

	spin_lock_irqsave(&events->lock, flags);
	if (events->stopped)
		goto out;
	do {
		virtqueue_disable_cb(vq);
		while ((buffer = virtqueue_get_buf(vq, &length))) {
			if (length == sizeof(struct sst_event))
				events->received++;
			else
				events->malformed++;
			/* There is room, but mapping it can fail, or the ring be broken. */
			if (sst_event_post(events, buffer))
				events->lost_buffers++;
		}
	} while (!virtqueue_enable_cb(vq));
	kick = virtqueue_kick_prepare(vq);
out:
	spin_unlock_irqrestore(&events->lock, flags);
	if (kick)
		virtqueue_notify(vq);
}

static int sst_events_stock(struct sst_event_queue *events)
{
	bool kick = false;
	unsigned int i;
	int ret = 0;

	spin_lock_irq(&events->lock);
	for (i = 0; i < events->nr_buffers && !ret; i++)
		ret = sst_event_post(events, events->buffers + i * events->stride);
	if (!ret)
		kick = virtqueue_kick_prepare(events->vq);
	spin_unlock_irq(&events->lock);
	if (kick)
		virtqueue_notify(events->vq);

	return ret;
}

/* Start and stop */

static int sst_find_vqs(struct sst_device *sst)
{
	struct virtqueue_info info[SST_NR_VQS] = {
		[SST_VQ_REQUEST] = { "request", sst_queue_callback },
		/* The device has to have it, the driver does not use it. */
		[SST_VQ_RESPONSE] = { "response", NULL },
		[SST_VQ_EVENT] = { "event", sst_event_callback },
	};
	struct virtqueue *vqs[SST_NR_VQS];
	unsigned int size;
	int ret;

	ret = virtio_find_vqs(sst->vdev, SST_NR_VQS, vqs, info, NULL);
	if (ret)
		return dev_err_probe(&sst->vdev->dev, ret,
				     "no request, response and event queue\n");

	size = virtqueue_get_vring_size(vqs[SST_VQ_REQUEST]);
	if (size < SST_CHAIN_LENGTH) {
		sst->vdev->config->del_vqs(sst->vdev);
		return dev_err_probe(&sst->vdev->dev, -EINVAL,
				     "request queue of size %u, %u is the least\n",
				     size, SST_CHAIN_LENGTH);
	}

	/*
	 * An indirect table saves descriptors, but falls back to direct ones
	 * when memory is short: what counts is what always fits.
	 */
	sst->queue.vq = vqs[SST_VQ_REQUEST];
	sst->queue.capacity = min(size / SST_CHAIN_LENGTH, SST_QUEUE_CAPACITY_MAX);
	sst->events.vq = vqs[SST_VQ_EVENT];
	size = virtqueue_get_vring_size(vqs[SST_VQ_EVENT]);
	sst->events.nr_buffers = min(size, SST_EVENT_BUFFERS_MAX);

	return 0;
}

/* What the queues need before the device may run */
static int sst_alloc_buffers(struct sst_device *sst)
{
	struct sst_event_queue *events = &sst->events;

	events->stride = ALIGN(sizeof(struct sst_event),
			       max(dma_get_cache_alignment(), SMP_CACHE_BYTES));
	events->buffers = kcalloc(events->nr_buffers, events->stride, GFP_KERNEL);
	if (!events->buffers)
		return -ENOMEM;

	return sst_queue_grow(&sst->queue, GFP_KERNEL);
}

/*
 * Make the callbacks blind and take back what the device has. It may still
 * write to it until the virtqueues are deleted, and some transports let it.
 */
static void sst_detach(struct sst_device *sst)
{
	struct sst_event_queue *events = &sst->events;
	struct sst_queue *q = &sst->queue;

	spin_lock_irq(&q->lock);
	q->stopped = true;
	while (virtqueue_detach_unused_buf(q->vq))
		;
	spin_unlock_irq(&q->lock);

	spin_lock_irq(&events->lock);
	events->stopped = true;
	while (virtqueue_detach_unused_buf(events->vq))
		;
	spin_unlock_irq(&events->lock);
}

/* From here on no request is submitted, but one may be half-way in a kick. */
static void sst_mark_gone(struct sst_device *sst)
{
	spin_lock_irq(&sst->queue.lock);
	WRITE_ONCE(sst->gone, true);
	spin_unlock_irq(&sst->queue.lock);
	sst_wake_all(sst);
}

/* Take the device out of service. It has been marked as gone. */
static void sst_stop(struct sst_device *sst)
{
	struct sst_queue *q = &sst->queue;

	/* No kick after this */
	synchronize_srcu(&sst->srcu);
	virtio_reset_device(sst->vdev);
	/* What was answered is answered. */
	sst_queue_drain(q, q->vq, false);
	sst_detach(sst);
	cancel_delayed_work_sync(&q->timeout_work);
	/* A callback may still be about to notify. */
	virtio_synchronize_cbs(sst->vdev);
	sst->vdev->config->del_vqs(sst->vdev);
	sst_queue_recover(q);
	/* Those who waited for an answer know now that there is none. */
	sst_wake_all(sst);
}

static int sst_start(struct sst_device *sst)
{
	int ret;

	ret = sst_find_vqs(sst);
	if (ret)
		return ret;

	ret = sst_alloc_buffers(sst);
	if (ret) {
		sst->vdev->config->del_vqs(sst->vdev);
		return ret;
	}

	/* Some devices' rings can't be filled before. */
	virtio_device_ready(sst->vdev);
	ret = sst_events_stock(&sst->events);
	if (ret)
		sst_stop(sst);

	return ret;
}

/* The device */

static void sst_release(struct device *dev)
{
	struct sst_device *sst = to_sst_device(dev);

	sst_queue_free_slots(&sst->queue);
	kfree(sst->events.buffers);
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
	sst_queue_init(&sst->queue, sst);
	spin_lock_init(&sst->events.lock);

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

static int sst_probe(struct virtio_device *vdev)
{
	struct sst_device *sst;
	int ret;

	sst = sst_alloc(vdev);
	if (IS_ERR(sst))
		return PTR_ERR(sst);
	vdev->priv = sst;

	ret = sst_name(sst);
	if (ret)
		goto put_device;

	sst_read_config(sst);
	ret = sst_start(sst);
	if (ret)
		goto free_index;

	/* Not before the device runs: a program may be quick to open it. */
	ret = sst_cdev_add(sst);
	if (ret)
		goto stop;

	sst_dbg(sst, "wire version %#x, device id %u, features %#llx, room for %u requests\n",
		sst->version, sst->device_id, sst->features, sst->queue.capacity);
	return 0;

stop:
	sst_mark_gone(sst);
	sst_stop(sst);
free_index:
	ida_free(&sst_ida, sst->index);
put_device:
	put_device(&sst->dev);
	return ret;
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
	struct sst_queue *q = &sst->queue;

	spin_lock_irq(&q->lock);
	totals->queue = q->stats;
	totals->in_flight = q->occupied - q->zombies;
	totals->zombies = q->zombies;
	totals->slots = q->nr_slots;
	spin_unlock_irq(&q->lock);

	spin_lock_irq(&sst->events.lock);
	totals->events = sst->events.received;
	totals->malformed_events = sst->events.malformed;
	totals->lost_event_buffers = sst->events.lost_buffers;
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
	sst_cdev_del(sst);
	sst_stop(sst);

	sst_log_statistics(sst);
	ida_free(&sst_ida, sst->index);
	put_device(&sst->dev);
}

static const unsigned int sst_features[] = {
	SST_F_ECHO,
	SST_F_COMPUTE,
	SST_F_MEMORY,
	SST_F_EVENTS,
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

	ret = register_virtio_driver(&sst_driver);
	if (ret)
		sst_cdev_exit();

	return ret;
}
module_init(sst_init);

static void __exit sst_exit(void)
{
	unregister_virtio_driver(&sst_driver);
	sst_cdev_exit();
}
module_exit(sst_exit);

MODULE_DESCRIPTION("Virtio SST (hardware simulator) driver");
MODULE_LICENSE("GPL");
