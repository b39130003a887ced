/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * Virtio SST driver: what its parts share.
 */

#ifndef _VIRTIO_SST_INTERNAL_H_
#define _VIRTIO_SST_INTERNAL_H_

#include <linux/atomic.h>
#include <linux/bits.h>
#include <linux/build_bug.h>
#include <linux/cdev.h>
#include <linux/container_of.h>
#include <linux/device.h>
#include <linux/list.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/scatterlist.h>
#include <linux/spinlock.h>
#include <linux/srcu.h>
#include <linux/string.h>
#include <linux/types.h>
#include <linux/wait.h>
#include <linux/workqueue.h>
#include <linux/xarray.h>

#include <uapi/linux/virtio_sst.h>

struct attribute_group;
struct dentry;
struct file;
struct page;
struct pid;
struct user_struct;
struct vm_area_struct;
struct io_comp_batch;
struct io_uring_cmd;
struct iov_iter;
struct kiocb;
struct virtio_device;
struct virtqueue;

static_assert(sizeof(struct sst_request) == 4104);
static_assert(sizeof(struct sst_response) == 4112);
static_assert(sizeof(struct sst_event) == 24);
static_assert(sizeof(struct sst_config) == 24);
static_assert(sizeof(struct sst_info) == 64);
static_assert(sizeof(struct sst_transaction) == 56);
static_assert(sizeof(struct sst_settings) == 32);
static_assert(sizeof(struct sst_cancel) == 32);
static_assert(sizeof(struct sst_uring_transact) == 48);
static_assert(sizeof(struct sst_slot_setup) == 32);
static_assert(sizeof(struct sst_slot_request) == 24);
static_assert(sizeof(struct sst_slot_response) == 40);
static_assert(sizeof(struct sst_slot_transaction) == 40);
static_assert(sizeof(struct sst_event_setup) == 16);
static_assert(offsetof(struct sst_request, payload) == SST_REQUEST_HEADER_SIZE);
static_assert(offsetof(struct sst_response, payload) == SST_RESPONSE_HEADER_SIZE);

#define SST_NAME "virtio-sst"

/* Descriptors that a request needs where none are indirect */
#define SST_CHAIN_LENGTH	2

/* The bits of config space's features that mean something */
#define SST_FEATURES_KNOWN	GENMASK(SST_F_RESET, SST_F_ECHO)

/* Requests that an open file may have at once, unless it asks for another limit */
#define SST_REQUEST_LIMIT_DEFAULT	64

#define SST_REQUEST_TIMEOUT_DEFAULT_MS	5000

/* The lower bits of a request_id are the slot's index */
#define SST_SLOT_INDEX_BITS	24
#define SST_SLOT_INDEX_MAX	(BIT(SST_SLOT_INDEX_BITS) - 1)

/* Slots that an open file may share with programs */
#define SST_SHARED_SLOTS_MAX	1024

/* 16 slots fill 33 pages of 4 KiB with next to no waste */
#define SST_CHUNK_SLOTS		16

/* Events that are taken between two holds of the event queue's lock */
#define SST_EVENT_BATCH	64

/* How slots are claimed and submitted */
#define SST_NOWAIT	BIT(0)	/* not waiting for room */
#define SST_NOSLEEP	BIT(1)	/* not even for memory */
#define SST_ALONE	BIT(2)	/* nobody else can read the file's responses */
#define SST_WHOLE	BIT(3)	/* all or none */

struct sst_aio;
struct sst_chunk;
struct sst_slots;
struct sst_device;
struct sst_file;
struct sst_queue;

/**
 * struct sst_response_header - what a response has in front of its payload
 * @status: as in &struct sst_response
 * @flags: as in &struct sst_response
 * @request_id: as in &struct sst_response
 * @user_data: as in &struct sst_response
 * @result: as in &struct sst_response
 */
struct sst_response_header {
	__le32 status;
	__le32 flags;
	__le64 request_id;
	__le64 user_data;
	__le64 result;
};

static_assert(sizeof(struct sst_response_header) == SST_RESPONSE_HEADER_SIZE);

/**
 * enum sst_slot_state - who has a slot
 * @SST_SLOT_FREE: nobody; on the free list of its queue
 * @SST_SLOT_FILLING: a caller, who is copying a request into it
 * @SST_SLOT_BUSY: the device; its owner waits for the response
 * @SST_SLOT_AWAIT: the driver; the device has given it back without a response,
 *	which is to come on the response queue
 * @SST_SLOT_DONE: its owner; a response, or a driver-made ending, can be read
 * @SST_SLOT_ZOMBIE: the device; the request has ended for its owner. A slot with
 *	an ending that is still unread is on the owner's list as well
 *
 * virtio has no way of taking one buffer back, so that only the device, or the
 * end of the queue, brings a BUSY or ZOMBIE slot home.
 */
enum sst_slot_state {
	SST_SLOT_FREE,
	SST_SLOT_FILLING,
	SST_SLOT_BUSY,
	SST_SLOT_AWAIT,
	SST_SLOT_DONE,
	SST_SLOT_ZOMBIE,
};

/**
 * struct sst_op - requests whose ends somebody waits for together
 * @slots: their slots, in the order of the requests
 * @pending: how many of them have not ended, and one more if the op must not end yet
 * @held: it must not end yet
 * @polled: its owner looks for their ends, and needs no interrupt
 * @wait: who sleeps until they have
 * @ended: called when they have: in any context, without a lock, in an RCU read-side
 *	section that has begun before @pending became 0
 * @data: for @ended
 *
 * Part of the first of the slots, and protected by the lock of their queue.
 */
struct sst_op {
	struct list_head slots;
	unsigned int pending;
	bool held;
	bool polled;
	wait_queue_head_t wait;
	void (*ended)(struct sst_op *op);
	void *data;
};

/**
 * enum sst_drain - who takes what the device has given back
 * @SST_DRAIN_CALLBACK: the callback of the virtqueues
 * @SST_DRAIN_LOOK: somebody who does not wait for that
 * @SST_DRAIN_WORK: the time-out handler, who judges the queue afterwards
 */
enum sst_drain {
	SST_DRAIN_CALLBACK,
	SST_DRAIN_LOOK,
	SST_DRAIN_WORK,
};

/**
 * struct sst_shared_slot - what a slot has that a program shares with the device
 * @request: describes the header, which only the kernel writes, and the payload
 * @response: the same of the response
 * @payload: pages with the payloads of request and response, which the program may
 *	have mapped, and write to at any time
 * @number: what the program calls it
 * @early: bytes of a response that came on the response queue before the chain was
 *	back; it is in place of the request, since the rest of the slot is the device's
 */
struct sst_shared_slot {
	struct scatterlist request[2];
	struct scatterlist response[2];
	struct page *payload[2];
	u32 number;
	u32 early;
};

/**
 * struct sst_slot - room for one request and its response
 * @node: FREE: on &sst_queue.free; FILLING: on the caller's list; part of an @op:
 *	on &sst_op.slots; with an unread ending: on &sst_file.done, or on a reader's
 *	list
 * @busy_node: BUSY, AWAIT, and ZOMBIE: on &sst_queue.busy, or, once @overdue, on
 *	&sst_queue.late
 * @shared: what it has if a program shares it: @request and @response are headers then
 * @op: what it is part of; its ending is not put on &sst_file.done
 * @first: the op, if this is its first slot
 * @chunk: what it was allocated with
 * @file: the owner; NULL when FREE, and when ZOMBIE with nothing left to read
 * @request: what the device reads
 * @response: what the device writes; never trusted, may change at any time while
 *	the slot is BUSY or ZOMBIE
 * @answer: where the response is: @response, or, if it came on the response queue
 *	before the chain was back, @request, since @response is still the device's
 * @user_data: the driver's own copy, from the request
 * @submitted: when it was handed to the device, in ns; 0 if nobody wanted to know
 * @started: when the clock was started, or, until it is, when it was handed to the
 *	device, in jiffies
 * @timeout: time that the device has from then on, in jiffies: as the owner has
 *	it for BUSY and AWAIT, as the device has it for ZOMBIE
 * @batch: which kick told the device about it
 * @generation: &sst_queue.generation when it was claimed
 * @last_serial: &sst_file.serial of the last owner: @response has nobody else's
 *	data
 * @length: bytes of @answer that the device says it wrote; 0 if there is none
 * @type: the driver's own copy, from the request
 * @index: tells the slots of a queue from each other
 * @status: SST_RESPONSE_* of an ending made by the driver
 * @state: who has it
 * @kicked: the device was notified of @batch, it did not look by itself
 * @clock_runs: the kick is over, the clock is started
 * @overdue: a ZOMBIE that the device has had for longer than @timeout
 * @by_driver: the ending was made by the driver; @answer is not to be read
 *
 * All but the messages themselves is protected by &sst_queue.lock, except that
 * the caller who has a FILLING slot prepares it, and the one who has taken a slot
 * off &sst_file.done reads it, without.
 */
struct sst_slot {
	struct list_head node;
	struct list_head busy_node;
	struct sst_shared_slot *shared;
	struct sst_op *op;
	struct sst_op first;
	struct sst_chunk *chunk;
	struct sst_file *file;
	struct sst_request *request;
	struct sst_response *response;
	struct sst_response *answer;
	__le64 user_data;
	u64 submitted;
	unsigned long started;
	unsigned long timeout;
	u64 batch;
	u64 generation;
	u64 last_serial;
	u32 length;
	__le32 type;
	u32 index;
	u32 status;
	enum sst_slot_state state;
	bool kicked;
	bool clock_runs;
	bool overdue;
	bool by_driver;
};

/**
 * struct sst_stats - counters of a queue, protected by &sst_queue.lock
 * @requests: requests handed to the device
 * @responses: requests that the device answered in time
 * @timeouts: requests that it did not answer in time
 * @abandoned: requests whose file was closed before the answer
 * @cancelled: requests that their owners cancelled
 * @aborted: requests that a reset, a suspension or the removal ended
 * @malformed: answers of an impossible length; they end as errors
 * @mismatches: answers with another request_id or user_data than the request's
 * @unmatched: responses on the response queue of an impossible length, or with a
 *	request_id that no request ever had
 * @late: answers to requests that had ended before
 * @kicks: notifications sent to the device
 * @interrupts: calls of the queue's callback
 */
struct sst_stats {
	u64 requests;
	u64 responses;
	u64 timeouts;
	u64 abandoned;
	u64 cancelled;
	u64 aborted;
	u64 malformed;
	u64 mismatches;
	u64 unmatched;
	u64 late;
	u64 kicks;
	u64 interrupts;
};

/**
 * struct sst_chunk - slots that were allocated together
 * @node: on &sst_queue.unused while all slots are FREE
 * @index: in &sst_queue.chunks
 * @memory: the messages, physically contiguous
 * @size: bytes of @memory
 * @nr: number of slots
 * @nr_free: how many of them are FREE, protected by &sst_queue.lock
 * @shared: &sst_slot.shared of all slots, NULL if they are not shared
 * @user: who is charged for the pages of shared slots
 * @closed: shared slots whose file is closed: it goes when all are FREE
 * @rcu: it is read under RCU
 * @slots: the slots
 */
struct sst_chunk {
	struct list_head node;
	u32 index;
	void *memory;
	size_t size;
	unsigned int nr;
	unsigned int nr_free;
	struct sst_shared_slot *shared;
	struct user_struct *user;
	bool closed;
	struct rcu_head rcu;
	struct sst_slot slots[] __counted_by(nr);
};

/**
 * struct sst_inbox - a virtqueue with buffers that the device fills unasked
 * @vq: the virtqueue
 * @buffers: what the device writes into, @stride bytes each
 * @stride: distance of two buffers, so that none shares a cache line
 * @size: bytes that the device may write into a buffer
 * @nr_buffers: number of buffers in @buffers
 * @posted: buffers were offered to the device and it was not told yet
 * @lost: buffers that could not be offered to the device since it was started
 *
 * Protected by the lock of what it is part of.
 */
struct sst_inbox {
	struct virtqueue *vq;
	void *buffers;
	size_t stride;
	unsigned int size;
	unsigned int nr_buffers;
	bool posted;
	u64 lost;
};

/**
 * struct sst_queue - a pair of a request and a response queue, and its slots
 * @sst: the device
 * @index: in &sst_device.queues
 * @lock: protects the fields below, but for those said otherwise, the slots, the
 *	virtqueues, and the lists and counts of the files that use the queue
 * @vq: the virtqueue of requests
 * @responses: the virtqueue of responses, for devices that don't answer in the
 *	requests' own chains
 * @free: FREE slots, the last used one first
 * @busy: slots of which the device owes something and is not late with it, in
 *	the order in which they were handed to it
 * @late: slots that the device is late with
 * @room: writers that wait for a place, exclusive unless they need several
 * @pollers: files whose users wait in poll for a place; apart from @room, so that
 *	none of them takes a writer's wake-up
 * @nr_pollers: their number
 * @nr_free: number of slots on @free
 * @room_wanted: a writer or poller has found no room
 * @capacity: how many places there are, for which @vq always has room
 * @occupied: slots that have a place: BUSY, AWAIT and ZOMBIE ones
 * @places: the places that these have, two each of shared ones
 * @nr_slots: slots in all; grows with what is in flight and what is unread
 * @generation: number of the last claim of a slot: @index, and for each claim the number of
 *	queues on top
 * @polled: number of requests in flight that are part of a polled op
 * @callback: the device is to interrupt when it has used a request
 * @kick_looks: who submitted the only requests in flight looks for their answers
 *	after the kick
 * @zombies: number of ZOMBIE slots
 * @overdue: how many of them the device is late with
 * @silence: how many requests in a row the device has let become overdue
 * @held: no request is submitted for now, since the device is being stopped and
 *	started, or is about to be
 * @stopped: the virtqueues must not be touched
 * @batch: counts the times that requests were added
 * @kicks: notifications that are not over yet
 * @timeout_armed: @timeout_work is queued, or about to run, and will drain the queue
 * @timeout_at: when, in jiffies
 * @timeout_work: ends the requests that the device did not answer in time
 * @stats: counters
 * @unused: chunks with nothing but FREE slots
 * @chunks: all slots, by index; has a lock of its own, and is read under RCU
 */
struct sst_queue {
	struct sst_device *sst;
	unsigned int index;
	spinlock_t lock;	/* what the kernel-doc says */
	struct virtqueue *vq;
	struct sst_inbox responses;
	struct list_head free;
	struct list_head busy;
	struct list_head late;
	wait_queue_head_t room;
	struct list_head pollers;
	unsigned int nr_pollers;
	unsigned int nr_free;
	bool room_wanted;
	unsigned int capacity;
	unsigned int occupied;
	unsigned int places;
	unsigned int nr_slots;
	u64 generation;
	unsigned int polled;
	bool callback;
	bool kick_looks;
	unsigned int zombies;
	unsigned int overdue;
	unsigned int silence;
	bool held;
	bool stopped;
	u64 batch;
	unsigned int kicks;
	bool timeout_armed;
	unsigned long timeout_at;
	struct delayed_work timeout_work;
	struct sst_stats stats;
	struct list_head unused;
	struct xarray chunks;
};

/**
 * struct sst_event_queue - the event queue, and those who read events
 * @inbox: the virtqueue and its buffers
 * @turn: held by who takes events and gives them to the readers; protects @batch and
 *	@readers. @lock, and the locks of readers, are taken inside
 * @lock: protects @inbox, @stopped and the counters
 * @stopped: the virtqueue is the business of who has stopped it alone
 * @batch: events between the virtqueue and the readers
 * @readers: who gets the events
 * @work: takes events and gives them to the readers; not queued when @stopped
 * @received: events so far
 * @malformed: events of an impossible length
 * @lost: events that readers had no room for
 */
struct sst_event_queue {
	struct sst_inbox inbox;
	struct mutex turn;	/* what the kernel-doc says */
	spinlock_t lock;	/* what the kernel-doc says */
	bool stopped;
	struct sst_event batch[SST_EVENT_BATCH];
	struct list_head readers;
	struct work_struct work;
	u64 received;
	u64 malformed;
	u64 lost;
};

/**
 * struct sst_device - a virtio SST device
 * @dev: the class device, whose release frees all this
 * @cdev: the character device; every open file keeps a reference to @dev by it
 * @vdev: the virtio device; not to be used once @gone
 * @srcu: read side held around the kick, which no lock may cover; removal waits
 *	for it before the virtqueues go
 * @index: N of /dev/sstN
 * @version: from config space: version of the wire format
 * @device_id: from config space: number of the device
 * @features: from config space: known SST_F_* bits
 * @request_timeout_ms: how long the device has for an answer
 * @busy_poll_us: how long to look for an answer before sleeping
 * @gone: no request is accepted any more. Set once; who has held the lock of a
 *	queue after that knows that nobody accepts one there. Read without by those
 *	who only want to leave early
 * @run_lock: protects @running, and is held while the device is started, stopped
 *	or reset
 * @running: the device was started and not stopped. Read without by those who only tell
 *	others
 * @reset_work: resets the device if that was asked for, by the driver or by the
 *	device itself
 * @reset_lock: protects @reset_reason to @resets; taken inside the lock of a queue
 * @reset_reason: why, or NULL if nobody has asked
 * @reset_at: no automatic reset before, in jiffies
 * @resets: how often the device was reset and went on
 * @serials: source of &sst_file.serial
 * @files_lock: protects @files
 * @files: open files, which removal has to wake
 * @nr_queues: number of @queues
 * @queues: the pairs of a request and a response queue, allocated
 * @events: the event queue
 * @netlink_node: on the list of devices that netlink knows, protected by its lock
 * @counters_changed: who follows the counters is to be told
 * @debugfs: its folder there
 */
struct sst_device {
	struct device dev;
	struct cdev cdev;
	struct virtio_device *vdev;
	struct srcu_struct srcu;
	unsigned int index;
	u32 version;
	u32 device_id;
	u64 features;
	unsigned int request_timeout_ms;
	unsigned int busy_poll_us;
	bool gone;
	struct mutex run_lock;	/* starting and stopping */
	bool running;
	struct delayed_work reset_work;
	spinlock_t reset_lock;	/* the next three */
	const char *reset_reason;
	unsigned long reset_at;
	u64 resets;
	atomic64_t serials;
	spinlock_t files_lock;	/* the list of files */
	struct list_head files;
	unsigned int nr_queues;
	struct sst_queue *queues;
	struct sst_event_queue events;
	struct list_head netlink_node;
	bool counters_changed;
	struct dentry *debugfs;
};

/**
 * struct sst_file - an open file of a device
 * @sst: the device
 * @queue: the queue that its requests go to; constant while @used is not 0, or else
 *	changed under the lock of the queue that it was
 * @node: on &sst_device.files
 * @serial: tells files of one device from each other for ever
 * @opener: the process that has opened it
 * @readers: who waits for a response; exclusive: first come, first served
 * @wait: pollers, for whatever they wait, and writers that wait because of @limit
 * @poll_node: on &sst_queue.pollers while pollers wait for a place
 * @done: slots whose ending can be read, in the order of completion
 * @nr_done: their number
 * @in_flight: number of BUSY and AWAIT slots
 * @used: number of all slots that count against @limit
 * @limit: how many that may be
 * @limit_wanted: a writer waits because of it
 * @timeout_ms: time that the device has to answer, if that was set
 * @settings: SST_SETTING_* that were set
 * @slots: the slots that it shares with programs, if it has any; it keeps its queue then.
 *	Set once, under the lock of the queue
 * @mappings: mappings of @slots, each of which has a reference to the open file
 * @aio: calls that complete later, if there was any
 * @rcu: a waker may still be looking at @wait when the last user has closed
 *
 * @poll_node to @settings are protected by &sst_queue.lock.
 */
struct sst_file {
	struct sst_device *sst;
	struct sst_queue *queue;
	struct list_head node;
	u64 serial;
	struct pid *opener;
	wait_queue_head_t readers;
	wait_queue_head_t wait;
	struct list_head poll_node;
	struct list_head done;
	unsigned int nr_done;
	unsigned int in_flight;
	unsigned int used;
	unsigned int limit;
	bool limit_wanted;
	unsigned int timeout_ms;
	u32 settings;
	struct sst_slots *slots;
	atomic_t mappings;
	struct sst_aio *aio;
	struct rcu_head rcu;
};

/**
 * struct sst_totals - what a device has counted since its probe
 * @queue: counters of the queues
 * @events: events received
 * @malformed_events: events of an impossible length
 * @lost_events: events that readers had no room for
 * @lost_event_buffers: event buffers that the device does not have any more
 * @lost_response_buffers: the same of the response queue
 * @errors: what went wrong: time-outs, malformed responses and events
 * @in_flight: requests at the device now
 * @zombies: requests at the device now that have ended for their owners
 * @slots: slots allocated now
 * @resets: how often the device was reset
 */
struct sst_totals {
	struct sst_stats queue;
	u64 events;
	u64 malformed_events;
	u64 lost_events;
	u64 lost_event_buffers;
	u64 lost_response_buffers;
	u64 errors;
	unsigned int in_flight;
	unsigned int zombies;
	unsigned int slots;
	u64 resets;
};

static inline struct sst_queue *sst_queues_end(const struct sst_device *sst)
{
	return sst->queues + sst->nr_queues;
}

static inline struct sst_device *to_sst_device(struct device *dev)
{
	return container_of(dev, struct sst_device, dev);
}

/* How long the device has to answer a request that a file submits now */
static inline unsigned int sst_file_timeout_ms(const struct sst_file *file)
{
	return READ_ONCE(file->settings) & SST_SETTING_TIMEOUT ?
		READ_ONCE(file->timeout_ms) : READ_ONCE(file->sst->request_timeout_ms);
}

/* The payload of a response, where it was read from the device or copied to */
static inline const void *sst_slot_payload(const struct sst_slot *slot)
{
	return slot->shared ? page_address(slot->shared->payload[1]) : slot->answer->payload;
}

/* Places that a request needs, for which there are two descriptors each */
static inline unsigned int sst_slot_places(const struct sst_slot *slot)
{
	return slot->shared ? 2 : 1;
}

/*
 * A request_id leads to the slot, and is another one each time that the slot is
 * used. It is never 0, since generations are counted from 1.
 */
static inline u64 sst_request_id(u64 generation, u32 index)
{
	return generation << SST_SLOT_INDEX_BITS | index;
}

/* Whether a generation is one of those that the queue @index of @nr_queues gives. */
static inline bool sst_generation_of_queue(u64 generation, u32 index, u32 nr_queues)
{
	u32 remainder;

	if (generation <= index)
		return false;
	div_u64_rem(generation - index, nr_queues, &remainder);

	return !remainder;
}

static inline u64 sst_slot_id(const struct sst_slot *slot)
{
	return sst_request_id(slot->generation, slot->index);
}

/* A response has a header at least, and cannot be longer than its buffer. */
static inline bool sst_response_length_valid(u32 length)
{
	return length >= SST_RESPONSE_HEADER_SIZE &&
	       length <= sizeof(struct sst_response);
}

/* Sizes of a request and of a response that are taken in one call */
static inline bool sst_sizes_valid(u32 request_size, u32 response_size)
{
	return request_size >= SST_REQUEST_HEADER_SIZE &&
	       request_size <= sizeof(struct sst_request) &&
	       response_size >= SST_RESPONSE_HEADER_SIZE &&
	       response_size <= sizeof(struct sst_response);
}

/* Bytes of a write() that are one short request or whole ones; 0: neither. */
static inline unsigned int sst_requests_in(size_t bytes)
{
	if (bytes >= SST_REQUEST_HEADER_SIZE && bytes < sizeof(struct sst_request))
		return 1;
	if (bytes % sizeof(struct sst_request))
		return 0;
	return min_t(size_t, bytes / sizeof(struct sst_request), U32_MAX);
}

extern bool sst_debug;

#define sst_dbg(sst, fmt, ...)						\
do {									\
	if (sst_debug)							\
		dev_info(&(sst)->dev, fmt, ##__VA_ARGS__);		\
} while (0)

extern unsigned int sst_reset_after;

int sst_inbox_alloc(struct sst_inbox *inbox, unsigned int nr, unsigned int size);
void sst_inbox_free(struct sst_inbox *inbox);
void sst_inbox_stock(struct sst_inbox *inbox);
void sst_inbox_post(struct sst_inbox *inbox, void *buffer);
bool sst_inbox_kick_prepare(struct sst_inbox *inbox);

int sst_queue_init(struct sst_queue *q, struct sst_device *sst, unsigned int index);
void sst_queue_free(struct sst_queue *q);
void sst_queue_attach(struct sst_queue *q, struct virtqueue *requests,
		      struct virtqueue *responses);
void sst_queue_open(struct sst_queue *q);
void sst_queue_hold(struct sst_queue *q);
void sst_queue_detach(struct sst_queue *q);
void sst_queue_recover(struct sst_queue *q);
void sst_queue_drain(struct sst_queue *q, enum sst_drain who);
struct sst_queue *sst_queue_here(struct sst_device *sst);
void sst_wake_all(struct sst_device *sst);
int sst_ask_reset(struct sst_device *sst, const char *reason, bool at_once);
int sst_prepare_shutdown(struct device *dev);
int sst_configure(struct sst_device *sst, const unsigned int *timeout_ms,
		  const unsigned int *busy_poll_us);
void sst_get_queue_totals(struct sst_queue *q, struct sst_totals *totals);

int sst_claim(struct sst_file *file, unsigned int wanted,
	      struct list_head *batch, unsigned int how);
void sst_unclaim(struct sst_file *file, struct list_head *batch);
int sst_submit(struct sst_file *file, struct list_head *batch, unsigned int how);
int sst_take(struct sst_file *file, unsigned int wanted,
	     struct list_head *batch, bool nowait);
void sst_put_back(struct sst_file *file, struct list_head *batch);
unsigned int sst_finish(struct sst_file *file, struct list_head *batch);
bool sst_may_read(struct sst_file *file);
bool sst_may_write(struct sst_file *file);
void sst_abandon(struct sst_file *file);
struct sst_queue *sst_lock_queue(struct sst_file *file);
struct sst_op *sst_op_begin(struct list_head *batch, void (*ended)(struct sst_op *op),
			    void *data, bool polled);
int sst_op_wait(struct sst_file *file, struct sst_op *op, struct list_head *batch);
int sst_op_end(struct sst_file *file, struct sst_op *op, struct list_head *batch);
void sst_op_wake(struct sst_op *op);
bool sst_op_poll(struct sst_file *file, struct sst_op *op);
void sst_op_hold(struct sst_op *op);
void sst_op_release(struct sst_file *file, struct sst_op *op);
bool sst_op_cancel(struct sst_file *file, struct sst_op *op);
int sst_cancel_requests(struct sst_file *file, const struct sst_cancel *cancel);
void sst_set_settings(struct sst_file *file, const struct sst_settings *settings);
void sst_get_totals(struct sst_device *sst, struct sst_totals *totals);

void sst_events_init(struct sst_event_queue *events);
int sst_events_alloc(struct sst_event_queue *events);
void sst_events_attach(struct sst_event_queue *events, struct virtqueue *vq);
void sst_events_open(struct sst_event_queue *events, u64 resets);
void sst_events_detach(struct sst_event_queue *events);
void sst_events_wake(struct sst_event_queue *events);
void sst_events_callback(struct virtqueue *vq);
int sst_event_fd(struct file *filp, const struct sst_event_setup __user *arg);

unsigned int sst_how(struct file *filp, int iocb_flags);
int sst_fill(struct sst_file *file, struct list_head *batch, struct iov_iter *from,
	     size_t size);
void sst_fill_header(const struct sst_slot *slot, struct sst_response_header *header);
int sst_copy_batch(struct list_head *batch, struct list_head *copied, struct iov_iter *to,
		   size_t size);
ssize_t sst_read(struct sst_file *file, struct iov_iter *to, unsigned int how);
ssize_t sst_write(struct sst_file *file, struct iov_iter *from, unsigned int how);
int sst_cdev_init(void);
void sst_cdev_exit(void);
int sst_cdev_add(struct sst_device *sst);
void sst_cdev_del(struct sst_device *sst);

int sst_claim_filled(struct sst_file *file, unsigned int nr, struct list_head *batch,
		     unsigned int how);
int sst_add_chunk(struct sst_queue *q, struct sst_chunk *chunk, gfp_t gfp);
void sst_init_slot(struct sst_chunk *chunk, unsigned int i);
void sst_free_chunk(struct sst_chunk *chunk);
void sst_close_chunk(struct sst_queue *q, struct sst_chunk *chunk);

int sst_slots_setup(struct sst_file *file, struct sst_slot_setup __user *arg);
int sst_slots_transact(struct file *filp, struct sst_slot_transaction __user *arg);
int sst_slots_fill(struct sst_file *file, const struct sst_slot_transaction *t,
		   struct iov_iter *from, struct list_head *batch, unsigned int how);
bool sst_slots_valid(const struct sst_slot_transaction *t);
int sst_slots_store(struct list_head *batch, struct list_head *copied, struct iov_iter *to);
int sst_slots_mmap(struct file *filp, struct vm_area_struct *vma);
void sst_slots_close(struct sst_file *file);
void sst_free_payload(struct sst_chunk *chunk);

#ifdef CONFIG_AIO
int sst_aio_init(void);
void sst_aio_exit(void);
ssize_t sst_aio_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t sst_aio_write(struct kiocb *iocb, struct iov_iter *from);
void sst_aio_free(struct sst_file *file);
#else
static inline ssize_t sst_aio_read(struct kiocb *iocb, struct iov_iter *to)
{
	return -EOPNOTSUPP;
}

static inline ssize_t sst_aio_write(struct kiocb *iocb, struct iov_iter *from)
{
	return -EOPNOTSUPP;
}

static inline void sst_aio_free(struct sst_file *file)
{
}

static inline int sst_aio_init(void)
{
	return 0;
}

static inline void sst_aio_exit(void)
{
}
#endif

#ifdef CONFIG_IO_URING
int sst_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
int sst_uring_cmd_iopoll(struct io_uring_cmd *cmd, struct io_comp_batch *iob,
			 unsigned int poll_flags);
#else
#define sst_uring_cmd NULL
#define sst_uring_cmd_iopoll NULL
#endif

#ifdef CONFIG_NET
int sst_netlink_init(void);
void sst_netlink_exit(void);
void sst_netlink_add(struct sst_device *sst);
void sst_netlink_del(struct sst_device *sst);
void sst_netlink_changed(struct sst_device *sst);
void sst_netlink_fault(struct sst_device *sst);
#else
static inline int sst_netlink_init(void)
{
	return 0;
}

static inline void sst_netlink_exit(void)
{
}

static inline void sst_netlink_add(struct sst_device *sst)
{
}

static inline void sst_netlink_del(struct sst_device *sst)
{
}

static inline void sst_netlink_changed(struct sst_device *sst)
{
}

static inline void sst_netlink_fault(struct sst_device *sst)
{
}
#endif

void sst_debugfs_init(void);
void sst_debugfs_exit(void);
void sst_debugfs_add(struct sst_device *sst);
void sst_debugfs_del(struct sst_device *sst);

extern struct class sst_class;
extern const struct attribute_group *sst_groups[];

#endif /* _VIRTIO_SST_INTERNAL_H_ */
