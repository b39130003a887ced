/* SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause) */
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/virtio-sst.yaml */
/* YNL-GEN kernel header */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#ifndef _LINUX_VIRTIO_SST_GEN_H
#define _LINUX_VIRTIO_SST_GEN_H

#include <net/netlink.h>
#include <net/genetlink.h>

#include <uapi/linux/virtio_sst_netlink.h>
#include <linux/virtio_sst.h>

int virtio_sst_nl_queue_get_start(struct netlink_callback *cb);

int virtio_sst_nl_device_get_doit(struct sk_buff *skb, struct genl_info *info);
int virtio_sst_nl_device_get_dumpit(struct sk_buff *skb,
				    struct netlink_callback *cb);
int virtio_sst_nl_device_set_doit(struct sk_buff *skb, struct genl_info *info);
int virtio_sst_nl_device_reset_doit(struct sk_buff *skb,
				    struct genl_info *info);
int virtio_sst_nl_queue_get_dumpit(struct sk_buff *skb,
				   struct netlink_callback *cb);

enum {
	VIRTIO_SST_NLGRP_DEVICES,
	VIRTIO_SST_NLGRP_COUNTERS,
};

extern struct genl_family virtio_sst_nl_family;

#endif /* _LINUX_VIRTIO_SST_GEN_H */
