/* SPDX-License-Identifier: GPL-2.0-only */
/*
 * What the sources use and Linux 6.1, the oldest kernel that they are built for,
 * lacks. This is the only place where kernel versions are known.
 */
#ifndef _SST_COMPAT_H
#define _SST_COMPAT_H

/* The same as in the sources: after these headers it would come too late. */
#define pr_fmt(fmt) "virtio-sst: " fmt

#include <linux/overflow.h>
#include <linux/slab.h>
#include <linux/version.h>
#include <linux/virtio.h>
#include <linux/virtio_config.h>
#include <linux/workqueue.h>

#ifndef __counted_by
#define __counted_by(member)
#endif

/* The sources always give the flags. */
#ifndef kzalloc_obj
#define SST_COMPAT_GFP(_1, ...)	_1
#define kzalloc_obj(p, ...) \
	((typeof(p) *)kzalloc(sizeof(p), SST_COMPAT_GFP(__VA_ARGS__ __VA_OPT__(,) GFP_KERNEL)))
#define kzalloc_flex(p, member, count, gfp) \
	((typeof(p) *)kzalloc(struct_size(&(p), member, count), gfp))
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 11, 0)
#define system_dfl_wq	system_unbound_wq

struct virtqueue_info {
	const char *name;
	vq_callback_t *callback;
	bool ctx;
};

static inline int sst_compat_find_vqs(struct virtio_device *vdev, unsigned int nr,
				      struct virtqueue *vqs[],
				      struct virtqueue_info info[],
				      struct irq_affinity *affinity)
{
	vq_callback_t **callbacks;
	const char **names;
	unsigned int i;
	int ret = -ENOMEM;

	callbacks = kcalloc(nr, sizeof(*callbacks), GFP_KERNEL);
	names = kcalloc(nr, sizeof(*names), GFP_KERNEL);
	if (callbacks && names) {
		for (i = 0; i < nr; i++) {
			callbacks[i] = info[i].callback;
			names[i] = info[i].name;
		}
		ret = virtio_find_vqs(vdev, nr, vqs, callbacks, names, affinity);
	}
	kfree(names);
	kfree(callbacks);
	return ret;
}
#define virtio_find_vqs	sst_compat_find_vqs
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 14, 0)
/*
 * A driver hears nothing of a transport's reset, and without power management
 * the structure has no place for what it would do on suspend.
 */
struct sst_compat_driver {
	struct device_driver driver;
	const struct virtio_device_id *id_table;
	const unsigned int *feature_table;
	unsigned int feature_table_size;
	int (*validate)(struct virtio_device *dev);
	int (*probe)(struct virtio_device *dev);
	void (*remove)(struct virtio_device *dev);
	void (*config_changed)(struct virtio_device *dev);
	int (*freeze)(struct virtio_device *dev);
	int (*restore)(struct virtio_device *dev);
	int (*reset_prepare)(struct virtio_device *dev);
	int (*reset_done)(struct virtio_device *dev);
	struct virtio_driver real;
};

static inline int sst_compat_register(struct sst_compat_driver *driver,
				      struct module *owner)
{
	driver->real = (struct virtio_driver) {
		.driver = driver->driver,
		.id_table = driver->id_table,
		.feature_table = driver->feature_table,
		.feature_table_size = driver->feature_table_size,
		.validate = driver->validate,
		.probe = driver->probe,
		.remove = driver->remove,
		.config_changed = driver->config_changed,
#ifdef CONFIG_PM
		.freeze = driver->freeze,
		.restore = driver->restore,
#endif
	};
	driver->real.driver.owner = owner;
	return register_virtio_driver(&driver->real);
}

static inline void sst_compat_unregister(struct sst_compat_driver *driver)
{
	unregister_virtio_driver(&driver->real);
}

#undef register_virtio_driver
#define virtio_driver sst_compat_driver
#define register_virtio_driver(driver) sst_compat_register(driver, THIS_MODULE)
#define unregister_virtio_driver(driver) sst_compat_unregister(driver)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 3, 0)
#define vm_flags_set(vma, flags)	((vma)->vm_flags |= (flags))
#endif

/* io_uring's commands; what was tested is 6.1 and 6.12. */
#ifdef CONFIG_IO_URING
#include <linux/io_uring/cmd.h>

#ifndef io_uring_cmd_to_pdu
#define io_uring_cmd_to_pdu(cmd, type)	((type *)&(cmd)->pdu)
#endif

#ifndef io_uring_sqe128_cmd
#define io_uring_sqe128_cmd(entry, type)	((const type *)SST_COMPAT_SQE(entry))
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
/* The entry itself is not there, but the command's part of it is. */
#define sqe	cmd
#define SST_COMPAT_SQE(entry)	(entry)
#else
#define SST_COMPAT_SQE(entry)	((entry)->cmd)
#endif
#endif

/* A ring that goes away waits for its commands. */
#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
#include <linux/io_uring_types.h>
#define io_uring_cmd_get_task(cmd)	(cmd_to_io_kiocb(cmd)->task)
#define IO_URING_F_CANCEL	0
#define io_uring_cmd_mark_cancelable(cmd, issue_flags)	do { } while (0)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 15, 0)
#define io_uring_cmd_import_fixed(address, size, direction, iter, cmd, issue_flags) \
	io_uring_cmd_import_fixed(address, size, direction, iter, cmd)
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 18, 0)
#define io_uring_cmd_done(cmd, ret, issue_flags)	io_uring_cmd_done(cmd, ret, 0, issue_flags)
#endif

/*
 * Functions in task work got the command and the flags. Ours is kept in the last part
 * of what a command has for its driver; it calls its second parameter tw.
 */
#ifndef IO_URING_CMD_TASK_WORK_ISSUE_FLAGS
struct sst_compat_tw_req {
	struct io_uring_cmd *command;
};

struct sst_compat_pdu {
	u8 others[24];
	void (*function)(struct sst_compat_tw_req tw_req, unsigned int tw);
};

#define io_tw_req		sst_compat_tw_req
#define io_tw_token_t		unsigned int
#define io_uring_cmd_from_tw(tw_req)	((tw_req).command)
#define IO_URING_CMD_TASK_WORK_ISSUE_FLAGS	tw

static inline void sst_compat_task_work(struct io_uring_cmd *command, unsigned int issue_flags)
{
	struct sst_compat_pdu *pdu = (struct sst_compat_pdu *)command->pdu;

	pdu->function((struct sst_compat_tw_req) { command }, issue_flags);
}

static inline void sst_compat_complete_in_task(struct io_uring_cmd *command,
					       void (*function)(struct sst_compat_tw_req tw_req,
								unsigned int tw))
{
	struct sst_compat_pdu *pdu = (struct sst_compat_pdu *)command->pdu;

	pdu->function = function;
	io_uring_cmd_complete_in_task(command, sst_compat_task_work);
}
#define io_uring_cmd_complete_in_task	sst_compat_complete_in_task
#endif
#endif /* CONFIG_IO_URING */

#ifdef CONFIG_NET
#include <net/genetlink.h>

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 2, 0)
/* What was asked for once and what was asked for as a list shared an entry. */
#define genl_split_ops	genl_ops
#define split_ops	ops
#define n_split_ops	n_ops

static inline void sst_compat_merge_op(struct genl_ops *to, const struct genl_ops *from)
{
	to->start = from->start;
	to->dumpit = from->dumpit;
	to->flags |= from->flags;
}

static inline int sst_compat_register_family(struct genl_family *family)
{
	unsigned int i, nr = 0;
	struct genl_ops *ops;
	int ret;

	ops = kcalloc(family->n_ops, sizeof(*ops), GFP_KERNEL);
	if (!ops)
		return -ENOMEM;

	for (i = 0; i < family->n_ops; i++)
		if (nr && ops[nr - 1].cmd == family->ops[i].cmd)
			sst_compat_merge_op(&ops[nr - 1], &family->ops[i]);
		else
			ops[nr++] = family->ops[i];
	family->ops = ops;
	family->n_ops = nr;
	ret = genl_register_family(family);
	if (ret)
		kfree(ops);

	return ret;
}

static inline int sst_compat_unregister_family(const struct genl_family *family)
{
	int ret = genl_unregister_family(family);

	kfree(family->ops);
	return ret;
}
#define genl_register_family	sst_compat_register_family
#define genl_unregister_family	sst_compat_unregister_family
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 6, 0)
#define genl_info_dump	genl_dumpit_info
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 7, 0)
/* The range was no constant one. */
#undef NLA_POLICY_FULL_RANGE
#define NLA_POLICY_FULL_RANGE(tp, limits) {				\
	.type = NLA_ENSURE_UINT_OR_BINARY_TYPE(tp),			\
	.validation_type = NLA_VALIDATE_RANGE_PTR,			\
	.range = (struct netlink_range_validation *)(limits),		\
}

static inline int nla_put_uint(struct sk_buff *skb, int attrtype, u64 value)
{
	return value > U32_MAX ? nla_put(skb, attrtype, sizeof(value), &value) :
				 nla_put_u32(skb, attrtype, value);
}
#endif

#if LINUX_VERSION_CODE < KERNEL_VERSION(6, 12, 0)
/* Stable releases differ in whether it wants to know how to allocate. */
static inline int sst_compat_multicast_allns(const struct genl_family *family,
					     struct sk_buff *skb, u32 portid,
					     unsigned int group)
{
	typedef int with_gfp(const struct genl_family *, struct sk_buff *, u32, unsigned int, gfp_t);
	typedef int without(const struct genl_family *, struct sk_buff *, u32, unsigned int);
	void *function = genlmsg_multicast_allns;

	if (__builtin_types_compatible_p(typeof(genlmsg_multicast_allns), with_gfp))
		return ((with_gfp *)function)(family, skb, portid, group, GFP_ATOMIC);
	return ((without *)function)(family, skb, portid, group);
}
#define genlmsg_multicast_allns	sst_compat_multicast_allns
#endif
#endif /* CONFIG_NET */

#endif /* _SST_COMPAT_H */
