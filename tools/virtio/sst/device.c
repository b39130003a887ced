// SPDX-License-Identifier: GPL-2.0-only
/* The SST device: its rings, its configuration space, its model. */

#include <endian.h>
#include <linux/virtio_sst.h>
#include <string.h>

#include "device.h"
#include "log.h"
#include "util.h"

static struct sst_device *vu_to_device(struct vu_dev *vu)
{
	return container_of(vu, struct sst_device, vu);
}

/*
 * The bits that configuration space and GET_INFO show. The existing device
 * shows all virtio features that it offers, if it offers any.
 */
static uint64_t shown_features(const struct options *options)
{
	if (options->existing)
		return options->features;
	return options->features & OPTIONS_SST_FEATURES;
}

static bool device_ring_start(struct vu_dev *vu, unsigned int index)
{
	struct sst_device *dev = vu_to_device(vu);

	__atomic_add_fetch(&dev->running, 1, __ATOMIC_RELAXED);
	if (index == SST_RING_REQUEST)
		return requestq_start(&dev->requests);
	if (index == SST_RING_RESPONSE && dev->options->response_queue)
		return responseq_start(&dev->requests.responses);
	if (index == SST_RING_EVENT && dev->options->events_ns)
		eventq_start(&dev->events);
	return true;
}

static void device_ring_stop(struct vu_dev *vu, unsigned int index)
{
	struct sst_device *dev = vu_to_device(vu);

	if (index == SST_RING_REQUEST)
		requestq_stop(&dev->requests);
	else if (index == SST_RING_RESPONSE && dev->options->response_queue)
		responseq_stop(&dev->requests.responses);
	else if (index == SST_RING_EVENT && dev->options->events_ns)
		eventq_stop(&dev->events);
	if (!__atomic_sub_fetch(&dev->running, 1, __ATOMIC_RELAXED))
		silence_reset(&dev->silence);
}

static void device_config_get(struct vu_dev *vu, uint8_t *out)
{
	struct sst_device *dev = vu_to_device(vu);
	struct sst_config config = {
		.version = htole32(SST_WIRE_VERSION),
		.device_id = htole32(dev->options->device_id),
		.features = htole64(shown_features(dev->options)),
		.max_queues = htole64(1),
	};

	memcpy(out, &config, sizeof(config));
	dev->model.config_read = true;
}

/* Nothing can be written; the existing device does not tell */
static bool device_config_set(struct vu_dev *vu, uint32_t offset, uint32_t size)
{
	log_debug("%u bytes written to configuration space at %u", size, offset);
	return vu_to_device(vu)->options->existing;
}

static void device_pause(struct vu_dev *vu)
{
	struct sst_device *dev = vu_to_device(vu);

	worker_pause(&dev->worker);
	worker_wait_paused(&dev->worker);
}

/* A thread that has nothing to serve goes on pausing */
static void device_resume(struct vu_dev *vu)
{
	struct sst_device *dev = vu_to_device(vu);

	if (requestq_active(&dev->requests))
		worker_resume(&dev->worker);
}

static const struct vu_ops device_ops = {
	.ring_start = device_ring_start,
	.ring_stop = device_ring_stop,
	.pause = device_pause,
	.resume = device_resume,
	.config_get = device_config_get,
	.config_set = device_config_set,
};

static void init_vu(struct vu_dev *vu, const struct options *options)
{
	vu->ops = &device_ops;
	vu->features = options->features | BIT64(VU_F_PROTOCOL_FEATURES);
	vu->protocol_features = BIT64(VU_PROTOCOL_F_MQ) |
				BIT64(VU_PROTOCOL_F_REPLY_ACK) |
				BIT64(VU_PROTOCOL_F_CONFIG) |
				BIT64(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	if (options->backend_req)
		vu->protocol_features |= BIT64(VU_PROTOCOL_F_BACKEND_REQ);
	vu->nr_rings = SST_NR_RINGS;
	vu->max_ring_size = options->queue_size;
	vu_init(vu);
}

static void silence_ended(struct silence *silence)
{
	struct sst_device *dev = container_of(silence, struct sst_device,
					      silence);

	device_pause(&dev->vu);
	requestq_wake_later(&dev->requests);
	device_resume(&dev->vu);
	eventq_wake(&dev->events);
}

static bool device_busy(void *opaque)
{
	struct sst_device *dev = opaque;

	return requestq_busy(&dev->requests);
}

static int init_worker(struct sst_device *dev)
{
	if (worker_start(&dev->worker))
		return -1;
	dev->worker.loop.busy = device_busy;
	dev->worker.loop.opaque = dev;
	return 0;
}

static int init_queues(struct sst_device *dev, struct loop *loop)
{
	dev->silence = (struct silence){
		.loop = loop,
		.ended = silence_ended,
	};
	dev->requests = (struct requestq){
		.options = &dev->options->requestq,
		.loop = &dev->worker.loop,
		.model = &dev->model,
		.vu = &dev->vu,
		.silence = &dev->silence,
		.index = SST_RING_REQUEST,
		.responses.index = SST_RING_RESPONSE,
	};
	dev->events = (struct eventq){
		.interval_ns = dev->options->events_ns,
		.loop = loop,
		.model = &dev->model,
		.vu = &dev->vu,
		.silence = &dev->silence,
		.index = SST_RING_EVENT,
	};
	if (silence_init(&dev->silence) || init_worker(dev) ||
	    requestq_init(&dev->requests))
		return -1;
	return eventq_init(&dev->events);
}

int device_init(struct sst_device *dev, const struct options *options,
		struct loop *loop)
{
	dev->options = options;
	init_vu(&dev->vu, options);
	if (model_init(&dev->model, (uint32_t)shown_features(options),
		       options->existing))
		return -1;
	return init_queues(dev, loop);
}

void device_destroy(struct sst_device *dev)
{
	vu_reset(&dev->vu);
	worker_stop(&dev->worker);
	requestq_destroy(&dev->requests);
	eventq_destroy(&dev->events);
	silence_destroy(&dev->silence);
	model_destroy(&dev->model);
}

void device_reset(struct sst_device *dev)
{
	vu_reset(&dev->vu);
	silence_end(&dev->silence);
	log_debug("served %llu requests, sent %llu events, dropped %llu",
		  (unsigned long long)dev->requests.requests,
		  (unsigned long long)dev->events.sent,
		  (unsigned long long)dev->events.dropped);
	dev->requests.requests = 0;
	dev->events.sent = 0;
	dev->events.dropped = 0;
	model_reset(&dev->model);
	dev->model.config_read = false;
}
