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

#endif /* _SST_COMPAT_H */
