// SPDX-License-Identifier: ((GPL-2.0 WITH Linux-syscall-note) OR BSD-3-Clause)
/* Do not edit directly, auto-generated from: */
/*	Documentation/netlink/specs/virtio-sst.yaml */
/* YNL-GEN kernel source */
/* To regenerate run: tools/net/ynl/ynl-regen.sh */

#include <net/netlink.h>
#include <net/genetlink.h>

#include "virtio_sst_nl.h"

#include <uapi/linux/virtio_sst_netlink.h>
#include <linux/virtio_sst.h>

/* Integer value ranges */
static const struct netlink_range_validation virtio_sst_a_device_request_timeout_ms_range = {
	.min	= SST_REQUEST_TIMEOUT_MIN_MS,
	.max	= SST_REQUEST_TIMEOUT_MAX_MS,
};

/* VIRTIO_SST_CMD_DEVICE_GET - do */
static const struct nla_policy virtio_sst_device_get_nl_policy[VIRTIO_SST_A_DEVICE_INDEX + 1] = {
	[VIRTIO_SST_A_DEVICE_INDEX] = { .type = NLA_U32, },
};

/* VIRTIO_SST_CMD_DEVICE_SET - do */
static const struct nla_policy virtio_sst_device_set_nl_policy[VIRTIO_SST_A_DEVICE_BUSY_POLL_US + 1] = {
	[VIRTIO_SST_A_DEVICE_INDEX] = { .type = NLA_U32, },
	[VIRTIO_SST_A_DEVICE_REQUEST_TIMEOUT_MS] = NLA_POLICY_FULL_RANGE(NLA_U32, &virtio_sst_a_device_request_timeout_ms_range),
	[VIRTIO_SST_A_DEVICE_BUSY_POLL_US] = NLA_POLICY_MAX(NLA_U32, SST_BUSY_POLL_MAX_US),
};

/* VIRTIO_SST_CMD_DEVICE_RESET - do */
static const struct nla_policy virtio_sst_device_reset_nl_policy[VIRTIO_SST_A_DEVICE_INDEX + 1] = {
	[VIRTIO_SST_A_DEVICE_INDEX] = { .type = NLA_U32, },
};

/* VIRTIO_SST_CMD_QUEUE_GET - dump */
static const struct nla_policy virtio_sst_queue_get_nl_policy[VIRTIO_SST_A_QUEUE_DEVICE_INDEX + 1] = {
	[VIRTIO_SST_A_QUEUE_DEVICE_INDEX] = { .type = NLA_U32, },
};

/* Ops table for virtio_sst */
static const struct genl_split_ops virtio_sst_nl_ops[] = {
	{
		.cmd		= VIRTIO_SST_CMD_DEVICE_GET,
		.doit		= virtio_sst_nl_device_get_doit,
		.policy		= virtio_sst_device_get_nl_policy,
		.maxattr	= VIRTIO_SST_A_DEVICE_INDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd	= VIRTIO_SST_CMD_DEVICE_GET,
		.dumpit	= virtio_sst_nl_device_get_dumpit,
		.flags	= GENL_CMD_CAP_DUMP,
	},
	{
		.cmd		= VIRTIO_SST_CMD_DEVICE_SET,
		.doit		= virtio_sst_nl_device_set_doit,
		.policy		= virtio_sst_device_set_nl_policy,
		.maxattr	= VIRTIO_SST_A_DEVICE_BUSY_POLL_US,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VIRTIO_SST_CMD_DEVICE_RESET,
		.doit		= virtio_sst_nl_device_reset_doit,
		.policy		= virtio_sst_device_reset_nl_policy,
		.maxattr	= VIRTIO_SST_A_DEVICE_INDEX,
		.flags		= GENL_CMD_CAP_DO,
	},
	{
		.cmd		= VIRTIO_SST_CMD_QUEUE_GET,
		.start		= virtio_sst_nl_queue_get_start,
		.dumpit		= virtio_sst_nl_queue_get_dumpit,
		.policy		= virtio_sst_queue_get_nl_policy,
		.maxattr	= VIRTIO_SST_A_QUEUE_DEVICE_INDEX,
		.flags		= GENL_CMD_CAP_DUMP,
	},
};

static const struct genl_multicast_group virtio_sst_nl_mcgrps[] = {
	[VIRTIO_SST_NLGRP_DEVICES] = { "devices", },
	[VIRTIO_SST_NLGRP_COUNTERS] = { "counters", },
};

struct genl_family virtio_sst_nl_family __ro_after_init = {
	.name		= VIRTIO_SST_FAMILY_NAME,
	.version	= VIRTIO_SST_FAMILY_VERSION,
	.netnsok	= true,
	.parallel_ops	= true,
	.module		= THIS_MODULE,
	.split_ops	= virtio_sst_nl_ops,
	.n_split_ops	= ARRAY_SIZE(virtio_sst_nl_ops),
	.mcgrps		= virtio_sst_nl_mcgrps,
	.n_mcgrps	= ARRAY_SIZE(virtio_sst_nl_mcgrps),
};
