// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: /sys/class/virtio-sst/sstN/.
 */

#include <linux/capability.h>
#include <linux/device.h>
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/sysfs.h>

#include "virtio_sst_internal.h"

static ssize_t device_id_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	return sysfs_emit(buf, "%u\n", to_sst_device(dev)->device_id);
}
static DEVICE_ATTR_RO(device_id);

static ssize_t version_show(struct device *dev, struct device_attribute *attr,
			    char *buf)
{
	return sysfs_emit(buf, "0x%08x\n", to_sst_device(dev)->version);
}
static DEVICE_ATTR_RO(version);

static ssize_t features_show(struct device *dev, struct device_attribute *attr,
			     char *buf)
{
	return sysfs_emit(buf, "0x%llx\n", to_sst_device(dev)->features);
}
static DEVICE_ATTR_RO(features);

static ssize_t queue_pairs_show(struct device *dev, struct device_attribute *attr,
				char *buf)
{
	return sysfs_emit(buf, "%u\n", to_sst_device(dev)->nr_queues);
}
static DEVICE_ATTR_RO(queue_pairs);

static ssize_t queue_size_show(struct device *dev, struct device_attribute *attr,
			       char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_sst_device(dev)->queues->capacity));
}
static DEVICE_ATTR_RO(queue_size);

static ssize_t in_flight_show(struct device *dev, struct device_attribute *attr,
			      char *buf)
{
	struct sst_totals totals;

	sst_get_totals(to_sst_device(dev), &totals);
	return sysfs_emit(buf, "%u\n", totals.in_flight);
}
static DEVICE_ATTR_RO(in_flight);

static ssize_t request_timeout_ms_show(struct device *dev,
				       struct device_attribute *attr, char *buf)
{
	struct sst_device *sst = to_sst_device(dev);

	return sysfs_emit(buf, "%u\n", READ_ONCE(sst->request_timeout_ms));
}

static ssize_t request_timeout_ms_store(struct device *dev,
					struct device_attribute *attr,
					const char *buf, size_t count)
{
	unsigned int ms;
	int ret;

	ret = kstrtouint(buf, 0, &ms);
	if (ret)
		return ret;

	return sst_configure(to_sst_device(dev), &ms, NULL) ?: count;
}
static DEVICE_ATTR_RW(request_timeout_ms);

static ssize_t busy_poll_us_show(struct device *dev, struct device_attribute *attr,
				 char *buf)
{
	return sysfs_emit(buf, "%u\n", READ_ONCE(to_sst_device(dev)->busy_poll_us));
}

static ssize_t busy_poll_us_store(struct device *dev, struct device_attribute *attr,
				  const char *buf, size_t count)
{
	unsigned int us;
	int ret;

	ret = kstrtouint(buf, 0, &us);
	if (ret)
		return ret;

	return sst_configure(to_sst_device(dev), NULL, &us) ?: count;
}
static DEVICE_ATTR_RW(busy_poll_us);

static ssize_t reset_store(struct device *dev, struct device_attribute *attr,
			   const char *buf, size_t count)
{
	struct sst_device *sst = to_sst_device(dev);
	bool reset;
	int ret;

	/* The file may have been opened by, or given to, somebody else. */
	if (!capable(CAP_SYS_ADMIN))
		return -EPERM;
	ret = kstrtobool(buf, &reset);
	if (ret)
		return ret;
	if (!reset)
		return -EINVAL;

	return sst_ask_reset(sst, "asked for in sysfs", true) ?: count;
}
static DEVICE_ATTR_WO(reset);

static ssize_t stats_show(struct device *dev, struct device_attribute *attr,
			  char *buf)
{
	struct sst_totals totals;
	const struct sst_stats *s = &totals.queue;

	sst_get_totals(to_sst_device(dev), &totals);
	return sysfs_emit(buf,
			  "requests %llu\n"
			  "responses %llu\n"
			  "events %llu\n"
			  "errors %llu\n"
			  "timeouts %llu\n"
			  "abandoned %llu\n"
			  "cancelled %llu\n"
			  "aborted %llu\n"
			  "malformed %llu\n"
			  "mismatches %llu\n"
			  "unmatched %llu\n"
			  "late %llu\n"
			  "malformed_events %llu\n"
			  "lost_events %llu\n"
			  "lost_event_buffers %llu\n"
			  "lost_response_buffers %llu\n"
			  "resets %llu\n"
			  "in_flight %u\n"
			  "zombies %u\n"
			  "slots %u\n"
			  "kicks %llu\n"
			  "interrupts %llu\n",
			  s->requests, s->responses, totals.events, totals.errors,
			  s->timeouts, s->abandoned, s->cancelled, s->aborted,
			  s->malformed, s->mismatches, s->unmatched, s->late,
			  totals.malformed_events, totals.lost_events,
			  totals.lost_event_buffers, totals.lost_response_buffers, totals.resets,
			  totals.in_flight, totals.zombies, totals.slots,
			  s->kicks, s->interrupts);
}
static DEVICE_ATTR_RO(stats);

static struct attribute *sst_attrs[] = {
	&dev_attr_busy_poll_us.attr,
	&dev_attr_device_id.attr,
	&dev_attr_features.attr,
	&dev_attr_in_flight.attr,
	&dev_attr_queue_pairs.attr,
	&dev_attr_queue_size.attr,
	&dev_attr_request_timeout_ms.attr,
	&dev_attr_reset.attr,
	&dev_attr_stats.attr,
	&dev_attr_version.attr,
	NULL
};

static const struct attribute_group sst_group = {
	.attrs = sst_attrs,
};

const struct attribute_group *sst_groups[] = {
	&sst_group,
	NULL
};
