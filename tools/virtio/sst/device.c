// SPDX-License-Identifier: GPL-2.0-only
/* The SST device: its rings, its configuration space, its model. */

#include <endian.h>
#include <linux/virtio_sst.h>
#include <stdio.h>
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

/* Pair 0 has the rings before that of the events, the others those behind it */
#define RING_EVENT	2

static unsigned int request_ring(unsigned int pair)
{
	return pair ? 2 * pair + 1 : 0;
}

static unsigned int nr_rings(const struct options *options)
{
	return 2 * options->nr_pairs + 1;
}

/* Returns the request queue of the pair that a ring, not of events, belongs to */
static struct requestq *find_requests(struct sst_device *dev,
				      unsigned int index)
{
	unsigned int pair = index < RING_EVENT ? 0 : (index - 1) / 2;

	return &dev->pairs[pair].requests;
}

/* A driver that does not know of pairs has the first three rings only */
static bool ring_is_known(const struct vu_dev *vu, unsigned int index)
{
	return index <= RING_EVENT || vu->acked & BIT64(SST_F_MULTI_QUEUE);
}

/* Between two troubles that are not about answers */
#define MAX_TROUBLE_NS	(5 * NSEC_PER_MSEC)

static void plan_trouble(struct sst_device *dev)
{
	timer_set(dev->trouble.fd, now_ns() + 1 +
		  random_next(&dev->hostile.random) % MAX_TROUBLE_NS);
}

static void trouble_ready(struct watch *watch)
{
	struct sst_device *dev = container_of(watch, struct sst_device, trouble);
	uint64_t random = random_next(&dev->hostile.random);

	timer_read(watch->fd);
	if (!__atomic_load_n(&dev->running, __ATOMIC_RELAXED))
		return;
	if (random % 4 == 0 && hostile_does(&dev->hostile, HOSTILE_CONFIG_CHANGE))
		vu_config_changed(&dev->vu);
	else if (hostile_does(&dev->hostile, HOSTILE_INTERRUPT))
		vu_interrupt(&dev->vu, (random >> 8) % dev->vu.nr_rings);
	plan_trouble(dev);
}

static bool start_events(struct sst_device *dev)
{
	const struct options *options = dev->options;

	if (!dev->events.interval_ns && !options_relay(options))
		return true;
	if (!eventq_start(&dev->events))
		return false;
	relay_start(&dev->relay);
	return true;
}

static bool device_ring_start(struct vu_dev *vu, unsigned int index)
{
	struct sst_device *dev = vu_to_device(vu);
	struct requestq *requests;

	__atomic_add_fetch(&dev->running, 1, __ATOMIC_RELAXED);
	hostile_begin(&dev->hostile);
	if (dev->hostile.vices)
		plan_trouble(dev);
	if (hostile_does(&dev->hostile, HOSTILE_REFUSAL))
		return false;
	if (!ring_is_known(vu, index))
		return true;
	if (index == RING_EVENT)
		return start_events(dev);
	requests = find_requests(dev, index);
	if (index == requests->index)
		return requestq_start(requests);
	return !dev->options->response_queue ||
	       responseq_start(&requests->responses);
}

static void stop_queue(struct sst_device *dev, unsigned int index)
{
	struct requestq *requests;

	if (index == RING_EVENT) {
		eventq_stop(&dev->events);
		return;
	}
	requests = find_requests(dev, index);
	if (index == requests->index)
		requestq_stop(requests);
	else
		responseq_stop(&requests->responses);
}

static void device_ring_stop(struct vu_dev *vu, unsigned int index)
{
	struct sst_device *dev = vu_to_device(vu);

	stop_queue(dev, index);
	if (!__atomic_sub_fetch(&dev->running, 1, __ATOMIC_RELAXED))
		silence_reset(&dev->silence);
}

/* Brings the device into the state that a life begins with */
static void begin_life(struct sst_device *dev)
{
	dev->events.interval_ns = dev->options->events_ns;
	dev->events.at_once = dev->options->events_at_once;
	hostile_events(&dev->hostile, &dev->events.interval_ns,
		       &dev->events.at_once);
}

static void device_config_get(struct vu_dev *vu, uint8_t *out)
{
	struct sst_device *dev = vu_to_device(vu);
	struct sst_config config = {
		.version = htole32(SST_WIRE_VERSION),
		.device_id = htole32(dev->options->device_id),
		.features = htole64(shown_features(dev->options)),
		.max_queues = htole64(dev->options->nr_pairs),
	};

	if (!dev->running && hostile_next_life(&dev->hostile)) {
		silence_end(&dev->silence);
		begin_life(dev);
	}
	hostile_config(&dev->hostile, &config);
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
	unsigned int i;

	for (i = 0; i < dev->options->nr_pairs; i++)
		worker_pause(&dev->pairs[i].worker);
	for (i = 0; i < dev->options->nr_pairs; i++)
		worker_wait_paused(&dev->pairs[i].worker);
}

/* A thread that has nothing to serve goes on pausing */
static void device_resume(struct vu_dev *vu)
{
	struct sst_device *dev = vu_to_device(vu);
	unsigned int i;

	for (i = 0; i < dev->options->nr_pairs; i++)
		if (dev->pairs[i].requests.forward || requestq_active(&dev->pairs[i].requests))
			worker_resume(&dev->pairs[i].worker);
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
	vu->name = options->name;
	vu->ops = &device_ops;
	vu->features = options->features | BIT64(VU_F_PROTOCOL_FEATURES);
	vu->protocol_features = BIT64(VU_PROTOCOL_F_MQ) |
				BIT64(VU_PROTOCOL_F_REPLY_ACK) |
				BIT64(VU_PROTOCOL_F_CONFIG) |
				BIT64(VU_PROTOCOL_F_CONFIGURE_MEM_SLOTS);
	if (options->backend_req)
		vu->protocol_features |= BIT64(VU_PROTOCOL_F_BACKEND_REQ);
	vu->nr_rings = nr_rings(options);
	vu->max_ring_size = options->queue_size;
	vu_init(vu);
}

static void silence_ended(struct silence *silence)
{
	struct sst_device *dev = container_of(silence, struct sst_device,
					      silence);
	unsigned int i;

	device_pause(&dev->vu);
	for (i = 0; i < dev->options->nr_pairs; i++)
		requestq_wake_later(&dev->pairs[i].requests);
	device_resume(&dev->vu);
	eventq_wake(&dev->events);
}

/* The thread goes on when it has served others */
static void events_turn_ended(struct eventq *events)
{
	relay_notify(&container_of(events, struct sst_device, events)->relay);
}

static bool pair_busy(void *opaque)
{
	struct pair *pair = opaque;

	return requestq_busy(&pair->requests);
}

static void answered(struct forward *forward, struct pending *pending)
{
	struct pair *pair = container_of(forward, struct pair, forward);

	requestq_answered(&pair->requests, pending);
}

static void link_changed(struct link *link)
{
	struct pair *pair = container_of(link, struct pair, forward.link);

	relay_notify(&pair->device->relay);
}

/* Has a simulator answer requests of a pair */
static int init_forward(struct sst_device *dev, unsigned int number)
{
	struct pair *pair = &dev->pairs[number];
	struct forward *forward = &pair->forward;

	forward->options = &dev->options->forward;
	forward->loop = &pair->worker.loop;
	forward->answered = answered;
	forward->link.told = &dev->told_simulator;
	forward->link.changed = link_changed;
	snprintf(forward->link.name, sizeof(forward->link.name), "simulator, pair %u", number);
	pair->device = dev;
	pair->requests.forward = forward;
	return forward_init(forward);
}

static int init_pair(struct sst_device *dev, unsigned int number)
{
	struct pair *pair = &dev->pairs[number];

	pair->worker.name = dev->options->name;
	pair->worker.sigbus = dev->sigbus;
	if (worker_start(&pair->worker))
		return -1;
	pair->worker.loop.busy = pair_busy;
	pair->worker.loop.opaque = pair;
	pair->requests = (struct requestq){
		.options = &dev->options->requestq,
		.loop = &pair->worker.loop,
		.model = &dev->model,
		.vu = &dev->vu,
		.silence = &dev->silence,
		.hostile = &dev->hostile,
		.index = request_ring(number),
		.responses.index = request_ring(number) + 1,
	};
	if (requestq_init(&pair->requests))
		return -1;
	return options_forward(dev->options) ? init_forward(dev, number) : 0;
}

static int init_relay(struct sst_device *dev, struct loop *loop)
{
	unsigned int i;

	dev->relay = (struct relay){
		.endpoint = &dev->options->events_endpoint,
		.loop = loop,
		.events = &dev->events,
		.link.name = "simulator, events",
		.link.told = &dev->told_events,
		.changed.about = dev->options->name,
		.nr_pairs = options_forward(dev->options) ? dev->options->nr_pairs : 0,
	};
	for (i = 0; i < dev->relay.nr_pairs; i++)
		dev->relay.pairs[i] = &dev->pairs[i].forward.link;
	return relay_init(&dev->relay);
}

static int init_trouble(struct sst_device *dev, struct loop *loop)
{
	int fd = timer_open();

	if (fd < 0)
		return -1;
	dev->trouble.ready = trouble_ready;
	dev->trouble.about = dev->options->name;
	return loop_add(loop, &dev->trouble, fd);
}

static int init_queues(struct sst_device *dev, struct loop *loop)
{
	unsigned int i;

	dev->silence = (struct silence){
		.loop = loop,
		.ended = silence_ended,
		.timer.about = dev->options->name,
	};
	dev->events = (struct eventq){
		.waits = options_relay(dev->options),
		.loop = loop,
		.model = &dev->model,
		.vu = &dev->vu,
		.silence = &dev->silence,
		.hostile = &dev->hostile,
		.index = RING_EVENT,
		.turn_ended = events_turn_ended,
		.timer.about = dev->options->name,
		.kick.about = dev->options->name,
	};
	begin_life(dev);
	if (silence_init(&dev->silence) || eventq_init(&dev->events) ||
	    init_trouble(dev, loop) || init_relay(dev, loop))
		return -1;
	for (i = 0; i < dev->options->nr_pairs; i++)
		if (init_pair(dev, i))
			return -1;
	/* Those that have connections to make begin with that */
	device_resume(&dev->vu);
	return 0;
}

int device_init(struct sst_device *dev, const struct options *options,
		struct loop *loop)
{
	dev->options = options;
	hostile_init(&dev->hostile, &options->hostile);
	init_vu(&dev->vu, options);
	if (model_init(&dev->model, (uint32_t)shown_features(options),
		       options->existing))
		return -1;
	return init_queues(dev, loop);
}

/* While the workers pause, so that none of them makes a connection again */
static void destroy_forwards(struct sst_device *dev)
{
	unsigned int i;

	device_pause(&dev->vu);
	for (i = 0; i < dev->options->nr_pairs; i++) {
		if (!dev->pairs[i].requests.forward)
			continue;
		forward_destroy(&dev->pairs[i].forward);
		dev->pairs[i].requests.forward = NULL;
	}
}

void device_destroy(struct sst_device *dev)
{
	unsigned int i;

	destroy_forwards(dev);
	vu_reset(&dev->vu);
	for (i = 0; i < dev->options->nr_pairs; i++) {
		worker_stop(&dev->pairs[i].worker);
		requestq_destroy(&dev->pairs[i].requests);
	}
	relay_destroy(&dev->relay);
	eventq_destroy(&dev->events);
	close_fd(&dev->trouble.fd);
	silence_destroy(&dev->silence);
	model_destroy(&dev->model);
	hostile_print(&dev->hostile);
}

static uint64_t count_requests(const struct sst_device *dev)
{
	uint64_t requests = 0;
	unsigned int i;

	for (i = 0; i < dev->options->nr_pairs; i++)
		requests += dev->pairs[i].requests.requests;
	return requests;
}

/* Ends what simulators might still send to a guest that has gone */
static void end_guest(struct sst_device *dev)
{
	unsigned int i;

	device_pause(&dev->vu);
	for (i = 0; i < dev->options->nr_pairs; i++)
		if (dev->pairs[i].requests.forward)
			forward_end_guest(&dev->pairs[i].forward);
	device_resume(&dev->vu);
}

void device_reset(struct sst_device *dev)
{
	uint64_t requests;

	vu_reset(&dev->vu);
	end_guest(dev);
	silence_end(&dev->silence);
	requests = count_requests(dev);
	log_debug("served %llu requests, sent %llu events, dropped %llu",
		  (unsigned long long)(requests - dev->served),
		  (unsigned long long)(dev->events.sent - dev->events.sent_before),
		  (unsigned long long)(dev->events.dropped - dev->events.dropped_before));
	dev->served = requests;
	eventq_count_anew(&dev->events);
	model_reset(&dev->model);
	dev->model.config_read = false;
}
