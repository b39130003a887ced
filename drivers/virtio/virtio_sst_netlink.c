// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: the generic netlink family "virtio-sst".
 *
 * Documentation/netlink/specs/virtio-sst.yaml says what it has, and virtio_sst_nl.c is
 * generated from it.
 *
 * A device is on a list from when programs can open it until nothing of it is left but
 * its memory. Who has the lock of the list may look at a device there, and at what it is
 * attached to; whoever wants to do more takes a reference. Removal takes the lock too, so
 * nobody sleeps with it, and messages are allocated before.
 */

#include <linux/bits.h>
#include <linux/capability.h>
#include <linux/err.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/mutex.h>
#include <linux/netlink.h>
#include <linux/skbuff.h>
#include <linux/workqueue.h>
#include <net/net_namespace.h>

#include "virtio_sst_internal.h"
#include "virtio_sst_nl.h"

static_assert(BIT(SST_F_ECHO) == VIRTIO_SST_FEATURE_ECHO);
static_assert(BIT(SST_F_COMPUTE) == VIRTIO_SST_FEATURE_COMPUTE);
static_assert(BIT(SST_F_MEMORY) == VIRTIO_SST_FEATURE_MEMORY);
static_assert(BIT(SST_F_EVENTS) == VIRTIO_SST_FEATURE_EVENTS);
static_assert(BIT(SST_F_MULTI_QUEUE) == VIRTIO_SST_FEATURE_MULTI_QUEUE);
static_assert(BIT(SST_F_RESET) == VIRTIO_SST_FEATURE_RESET);

/* Followers of the counters hear of a device no more often. */
#define SST_COUNTERS_INTERVAL	HZ

/**
 * struct sst_nl_dump - how far a dump has come
 * @index: the least index of a device that is not told yet
 * @end: no device from this index on is wanted, unless it is 0
 * @queue: the first of its queues that is not told yet
 */
struct sst_nl_dump {
	u32 index;
	u32 end;
	u32 queue;
};

static_assert(sizeof(struct sst_nl_dump) <= sizeof_field(struct netlink_callback, ctx));

/* Protects the list, its order by index, and the number of its changes. */
static DEFINE_MUTEX(sst_nl_lock);
static LIST_HEAD(sst_nl_devices);
static unsigned int sst_nl_changes = 1;

/* Messages */

/* What queues and devices have both */
static int sst_nl_put_stats(struct sk_buff *skb, const struct sst_totals *totals)
{
	const struct sst_stats *s = &totals->queue;

	if (nla_put_uint(skb, VIRTIO_SST_A_STATS_REQUESTS, s->requests) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_RESPONSES, s->responses) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_TIMEOUTS, s->timeouts) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_ABANDONED, s->abandoned) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_CANCELLED, s->cancelled) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_ABORTED, s->aborted) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_MALFORMED, s->malformed) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_MISMATCHES, s->mismatches) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_UNMATCHED, s->unmatched) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_LATE, s->late) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_KICKS, s->kicks) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_INTERRUPTS, s->interrupts) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_LOST_RESPONSE_BUFFERS,
			 totals->lost_response_buffers))
		return -EMSGSIZE;

	return 0;
}

/* What only devices have */
static int sst_nl_put_device_stats(struct sk_buff *skb, const struct sst_totals *totals)
{
	if (nla_put_uint(skb, VIRTIO_SST_A_STATS_EVENTS, totals->events) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_MALFORMED_EVENTS, totals->malformed_events) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_LOST_EVENTS, totals->lost_events) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_LOST_EVENT_BUFFERS,
			 totals->lost_event_buffers) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_ERRORS, totals->errors) ||
	    nla_put_uint(skb, VIRTIO_SST_A_STATS_RESETS, totals->resets))
		return -EMSGSIZE;

	return 0;
}

static int sst_nl_put_device_totals(struct sk_buff *skb, struct sst_device *sst)
{
	struct sst_totals totals;
	struct nlattr *stats;

	sst_get_totals(sst, &totals);
	if (nla_put_u32(skb, VIRTIO_SST_A_DEVICE_IN_FLIGHT, totals.in_flight) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_ZOMBIES, totals.zombies) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_SLOTS, totals.slots))
		return -EMSGSIZE;

	stats = nla_nest_start(skb, VIRTIO_SST_A_DEVICE_STATS);
	if (!stats || sst_nl_put_stats(skb, &totals) ||
	    sst_nl_put_device_stats(skb, &totals))
		return -EMSGSIZE;

	nla_nest_end(skb, stats);
	return 0;
}

static int sst_nl_put_queue_totals(struct sk_buff *skb, struct sst_queue *q)
{
	struct sst_totals totals;
	struct nlattr *stats;

	sst_get_queue_totals(q, &totals);
	if (nla_put_u32(skb, VIRTIO_SST_A_QUEUE_IN_FLIGHT, totals.in_flight) ||
	    nla_put_u32(skb, VIRTIO_SST_A_QUEUE_ZOMBIES, totals.zombies) ||
	    nla_put_u32(skb, VIRTIO_SST_A_QUEUE_SLOTS, totals.slots))
		return -EMSGSIZE;

	stats = nla_nest_start(skb, VIRTIO_SST_A_QUEUE_STATS);
	if (!stats || sst_nl_put_stats(skb, &totals))
		return -EMSGSIZE;

	nla_nest_end(skb, stats);
	return 0;
}

static enum virtio_sst_state sst_nl_state(const struct sst_device *sst)
{
	if (READ_ONCE(sst->gone))
		return VIRTIO_SST_STATE_GONE;

	return READ_ONCE(sst->running) ? VIRTIO_SST_STATE_RUNNING :
					 VIRTIO_SST_STATE_STOPPED;
}

static int sst_nl_put_device(struct sk_buff *skb, struct sst_device *sst)
{
	if (nla_put_u32(skb, VIRTIO_SST_A_DEVICE_INDEX, sst->index) ||
	    nla_put_string(skb, VIRTIO_SST_A_DEVICE_NAME, dev_name(&sst->dev)) ||
	    nla_put_string(skb, VIRTIO_SST_A_DEVICE_PARENT, dev_name(sst->dev.parent)) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_DEVICE_ID, sst->device_id) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_VERSION, sst->version) ||
	    nla_put_uint(skb, VIRTIO_SST_A_DEVICE_FEATURES, sst->features) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_STATE, sst_nl_state(sst)) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_QUEUE_PAIRS, sst->nr_queues) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_QUEUE_SIZE,
			READ_ONCE(sst->queues->capacity)) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS,
			READ_ONCE(sst->request_timeout_ms)) ||
	    nla_put_u32(skb, VIRTIO_SST_A_DEVICE_BUSY_POLL_US,
			READ_ONCE(sst->busy_poll_us)))
		return -EMSGSIZE;

	return sst_nl_put_device_totals(skb, sst);
}

static int sst_nl_put_queue(struct sk_buff *skb, struct sst_queue *q)
{
	if (nla_put_u32(skb, VIRTIO_SST_A_QUEUE_DEVICE_INDEX, q->sst->index) ||
	    nla_put_u32(skb, VIRTIO_SST_A_QUEUE_INDEX, q->index) ||
	    nla_put_u32(skb, VIRTIO_SST_A_QUEUE_QUEUE_SIZE, READ_ONCE(q->capacity)))
		return -EMSGSIZE;

	return sst_nl_put_queue_totals(skb, q);
}

/* The rest of a message, after a header, which is taken back if there is no room. */
static int sst_nl_fill_device(struct sk_buff *skb, void *header, struct sst_device *sst)
{
	lockdep_assert_held(&sst_nl_lock);
	if (!header)
		return -EMSGSIZE;
	if (sst_nl_put_device(skb, sst)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}

	genlmsg_end(skb, header);
	return 0;
}

static int sst_nl_fill_queue(struct sk_buff *skb, void *header, struct sst_queue *q)
{
	lockdep_assert_held(&sst_nl_lock);
	if (!header)
		return -EMSGSIZE;
	if (sst_nl_put_queue(skb, q)) {
		genlmsg_cancel(skb, header);
		return -EMSGSIZE;
	}

	genlmsg_end(skb, header);
	return 0;
}

/* Notifications */

static struct sk_buff *sst_nl_new(void)
{
	return genlmsg_new(GENLMSG_DEFAULT_SIZE, GFP_KERNEL);
}

/* Those who follow @group do not get what they should: their sockets say so. */
static void sst_nl_lose(unsigned int group)
{
	struct net *net;

	rcu_read_lock();
	for_each_net_rcu(net)
		genl_set_err(&virtio_sst_nl_family, net, 0, group, ENOBUFS);
	rcu_read_unlock();
}

/* Tell those who follow @group, in all network namespaces. @skb may be NULL. */
static void sst_nl_notify(struct sst_device *sst, struct sk_buff *skb, u8 cmd,
			  unsigned int group)
{
	void *header = skb ? genlmsg_put(skb, 0, 0, &virtio_sst_nl_family, 0, cmd) : NULL;

	if (sst_nl_fill_device(skb, header, sst)) {
		nlmsg_free(skb);
		sst_nl_lose(group);
	} else {
		genlmsg_multicast_allns(&virtio_sst_nl_family, skb, 0, group);
	}
}

/**
 * sst_netlink_changed() - tell that settings or the state of a device have changed
 * @sst: the device
 *
 * Context: Process context, may sleep.
 */
void sst_netlink_changed(struct sst_device *sst)
{
	struct sk_buff *skb = sst_nl_new();

	mutex_lock(&sst_nl_lock);
	if (list_empty(&sst->netlink_node))
		nlmsg_free(skb);
	else
		sst_nl_notify(sst, skb, VIRTIO_SST_CMD_DEVICE_CHANGE_NTF,
			      VIRTIO_SST_NLGRP_DEVICES);
	mutex_unlock(&sst_nl_lock);
}

/* Returns the first device from @index on whose followers are to be told, or NULL. */
static struct sst_device *sst_nl_next_faulty(unsigned int index)
{
	struct sst_device *sst;

	list_for_each_entry(sst, &sst_nl_devices, netlink_node)
		if (sst->index >= index && READ_ONCE(sst->counters_changed))
			return sst;
	return NULL;
}

/* Tell of the first of these, and move @index past it. Returns false if there is none. */
static bool sst_nl_notify_counters(struct sk_buff *skb, unsigned int *index)
{
	struct sst_device *sst;

	mutex_lock(&sst_nl_lock);
	sst = sst_nl_next_faulty(*index);
	if (sst) {
		*index = sst->index + 1;
		/* Before they are read: a change after that is told the next time. */
		WRITE_ONCE(sst->counters_changed, false);
		sst_nl_notify(sst, skb, VIRTIO_SST_CMD_COUNTERS_NTF,
			      VIRTIO_SST_NLGRP_COUNTERS);
	} else {
		nlmsg_free(skb);
	}
	mutex_unlock(&sst_nl_lock);

	return sst;
}

static void sst_nl_counters_work(struct work_struct *work)
{
	unsigned int index = 0;

	while (sst_nl_notify_counters(sst_nl_new(), &index))
		;
}

static DECLARE_DELAYED_WORK(sst_nl_counters, sst_nl_counters_work);

/**
 * sst_netlink_fault() - have it told that a device has counted a fault
 * @sst: the device
 *
 * Context: Any context, after the counter has changed under its lock.
 */
void sst_netlink_fault(struct sst_device *sst)
{
	/* It is cleared before the counters are read, with the lock that this one has. */
	if (READ_ONCE(sst->counters_changed))
		return;

	WRITE_ONCE(sst->counters_changed, true);
	queue_delayed_work(system_dfl_wq, &sst_nl_counters, SST_COUNTERS_INTERVAL);
}

/* Devices */

/**
 * sst_netlink_add() - let netlink know a device
 * @sst: the device, which can be opened
 *
 * Context: Process context, may sleep.
 */
void sst_netlink_add(struct sst_device *sst)
{
	struct sk_buff *skb = sst_nl_new();
	struct sst_device *before;

	mutex_lock(&sst_nl_lock);
	list_for_each_entry_reverse(before, &sst_nl_devices, netlink_node)
		if (before->index < sst->index)
			break;
	list_add(&sst->netlink_node, &before->netlink_node);
	sst_nl_changes++;
	sst_nl_notify(sst, skb, VIRTIO_SST_CMD_DEVICE_ADD_NTF, VIRTIO_SST_NLGRP_DEVICES);
	mutex_unlock(&sst_nl_lock);
}

/**
 * sst_netlink_del() - let netlink forget a device
 * @sst: the device, which does nothing any more
 *
 * Context: Process context, may sleep.
 */
void sst_netlink_del(struct sst_device *sst)
{
	struct sk_buff *skb = sst_nl_new();

	mutex_lock(&sst_nl_lock);
	sst_nl_notify(sst, skb, VIRTIO_SST_CMD_DEVICE_DEL_NTF, VIRTIO_SST_NLGRP_DEVICES);
	list_del_init(&sst->netlink_node);
	sst_nl_changes++;
	mutex_unlock(&sst_nl_lock);
}

/* Returns the device with an index, or NULL. */
static struct sst_device *sst_nl_lookup(u32 index)
{
	struct sst_device *sst;

	lockdep_assert_held(&sst_nl_lock);
	list_for_each_entry(sst, &sst_nl_devices, netlink_node)
		if (sst->index == index)
			return sst;
	return NULL;
}

/* Returns the device that a request is about, or an error, which is explained. */
static struct sst_device *sst_nl_find(struct genl_info *info)
{
	struct sst_device *sst;
	struct nlattr *attr;

	if (GENL_REQ_ATTR_CHECK(info, VIRTIO_SST_A_DEVICE_INDEX)) {
		NL_SET_ERR_MSG(info->extack, "the index of the device is missing");
		return ERR_PTR(-EINVAL);
	}

	attr = info->attrs[VIRTIO_SST_A_DEVICE_INDEX];
	sst = sst_nl_lookup(nla_get_u32(attr));
	if (!sst) {
		NL_SET_ERR_MSG_ATTR(info->extack, attr, "no such device");
		return ERR_PTR(-ENODEV);
	}

	return sst;
}

/*
 * The same for who wants to change the device, with a reference to it. Not a flag of
 * the operation: those of netlink ask for CAP_NET_ADMIN, and a device is no network.
 */
static struct sst_device *sst_nl_get(struct sk_buff *skb, struct genl_info *info)
{
	struct sst_device *sst;

	if (!netlink_capable(skb, CAP_SYS_ADMIN)) {
		NL_SET_ERR_MSG(info->extack,
			       "needs CAP_SYS_ADMIN in the initial user namespace");
		return ERR_PTR(-EPERM);
	}

	mutex_lock(&sst_nl_lock);
	sst = sst_nl_find(info);
	if (!IS_ERR(sst))
		get_device(&sst->dev);
	mutex_unlock(&sst_nl_lock);

	return sst;
}

/* Requests */

int virtio_sst_nl_device_get_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sst_device *sst;
	struct sk_buff *reply;
	void *header;
	int ret;

	reply = sst_nl_new();
	if (!reply)
		return -ENOMEM;

	header = genlmsg_put_reply(reply, info, &virtio_sst_nl_family, 0,
				   VIRTIO_SST_CMD_DEVICE_GET);
	mutex_lock(&sst_nl_lock);
	sst = sst_nl_find(info);
	ret = IS_ERR(sst) ? PTR_ERR(sst) : sst_nl_fill_device(reply, header, sst);
	mutex_unlock(&sst_nl_lock);
	if (ret) {
		nlmsg_free(reply);
		return ret;
	}

	return genlmsg_reply(reply, info);
}

int virtio_sst_nl_device_set_doit(struct sk_buff *skb, struct genl_info *info)
{
	const struct nlattr *timeout = info->attrs[VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS];
	const struct nlattr *poll = info->attrs[VIRTIO_SST_A_DEVICE_BUSY_POLL_US];
	unsigned int ms = timeout ? nla_get_u32(timeout) : 0;
	unsigned int us = poll ? nla_get_u32(poll) : 0;
	struct sst_device *sst;
	int ret;

	sst = sst_nl_get(skb, info);
	if (IS_ERR(sst))
		return PTR_ERR(sst);

	if (timeout || poll) {
		ret = sst_configure(sst, timeout ? &ms : NULL, poll ? &us : NULL);
	} else {
		NL_SET_ERR_MSG(info->extack, "no setting is given");
		ret = -EINVAL;
	}
	put_device(&sst->dev);

	return ret;
}

int virtio_sst_nl_device_reset_doit(struct sk_buff *skb, struct genl_info *info)
{
	struct sst_device *sst;
	int ret;

	sst = sst_nl_get(skb, info);
	if (IS_ERR(sst))
		return PTR_ERR(sst);

	ret = sst_ask_reset(sst, "asked for over netlink", true);
	if (ret)
		NL_SET_ERR_MSG(info->extack, "the device is gone");
	put_device(&sst->dev);

	return ret;
}

/* Dumps */

static void *sst_nl_dump_begin(struct sk_buff *skb, struct netlink_callback *cb, u8 cmd)
{
	void *header = genlmsg_put(skb, NETLINK_CB(cb->skb).portid, cb->nlh->nlmsg_seq,
				   &virtio_sst_nl_family, NLM_F_MULTI, cmd);

	if (header)
		genl_dump_check_consistent(cb, header);
	return header;
}

static int sst_nl_dump_device(struct sk_buff *skb, struct netlink_callback *cb,
			      struct sst_device *sst)
{
	return sst_nl_fill_device(skb, sst_nl_dump_begin(skb, cb, VIRTIO_SST_CMD_DEVICE_GET),
				  sst);
}

static int sst_nl_dump_queues(struct sk_buff *skb, struct netlink_callback *cb,
			      struct sst_device *sst)
{
	struct sst_nl_dump *dump = (struct sst_nl_dump *)cb->ctx;
	void *header;
	int ret = 0;

	while (!ret && dump->queue < sst->nr_queues) {
		header = sst_nl_dump_begin(skb, cb, VIRTIO_SST_CMD_QUEUE_GET);
		ret = sst_nl_fill_queue(skb, header, &sst->queues[dump->queue]);
		if (!ret)
			dump->queue++;
	}
	return ret;
}

/*
 * Tell of one device after the other with @tell, until there is no room. If devices have
 * come or gone since the last time, the messages say so.
 */
static int sst_nl_dump(struct sk_buff *skb, struct netlink_callback *cb,
		       int (*tell)(struct sk_buff *skb, struct netlink_callback *cb,
				   struct sst_device *sst))
{
	struct sst_nl_dump *dump = (struct sst_nl_dump *)cb->ctx;
	struct sst_device *sst;
	int ret = 0;

	mutex_lock(&sst_nl_lock);
	cb->seq = sst_nl_changes;
	list_for_each_entry(sst, &sst_nl_devices, netlink_node) {
		if (sst->index < dump->index)
			continue;
		if (dump->end && sst->index >= dump->end)
			break;
		if (sst->index > dump->index)
			dump->queue = 0;
		dump->index = sst->index;
		ret = tell(skb, cb, sst);
		if (ret)
			break;
		dump->index++;
		dump->queue = 0;
	}
	mutex_unlock(&sst_nl_lock);

	/* It goes on for as long as there was something to tell. */
	return skb->len ?: ret;
}

int virtio_sst_nl_device_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return sst_nl_dump(skb, cb, sst_nl_dump_device);
}

int virtio_sst_nl_queue_get_start(struct netlink_callback *cb)
{
	struct nlattr *attr = genl_info_dump(cb)->attrs[VIRTIO_SST_A_QUEUE_DEVICE_INDEX];
	struct sst_nl_dump *dump = (struct sst_nl_dump *)cb->ctx;
	bool found;

	if (!attr)
		return 0;

	dump->index = nla_get_u32(attr);
	dump->end = dump->index + 1;
	mutex_lock(&sst_nl_lock);
	found = sst_nl_lookup(dump->index);
	mutex_unlock(&sst_nl_lock);
	if (found)
		return 0;

	NL_SET_ERR_MSG_ATTR(cb->extack, attr, "no such device");
	return -ENODEV;
}

int virtio_sst_nl_queue_get_dumpit(struct sk_buff *skb, struct netlink_callback *cb)
{
	return sst_nl_dump(skb, cb, sst_nl_dump_queues);
}

/**
 * sst_netlink_init() - register the family
 *
 * Context: Process context, may sleep.
 * Return: 0 or a negative error code.
 */
int __init sst_netlink_init(void)
{
	return genl_register_family(&virtio_sst_nl_family);
}

/**
 * sst_netlink_exit() - undo sst_netlink_init(), when no device is left
 *
 * Context: Process context, may sleep.
 */
void sst_netlink_exit(void)
{
	cancel_delayed_work_sync(&sst_nl_counters);
	genl_unregister_family(&virtio_sst_nl_family);
}
