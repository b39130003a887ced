// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: the character devices /dev/sst0, /dev/sst1, ...
 */

#include <linux/fdtable.h>
#include <linux/fs.h>
#include <linux/kdev_t.h>
#include <linux/module.h>
#include <linux/pid.h>
#include <linux/poll.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>

#include "virtio_sst_internal.h"

struct class sst_class = {
	.name = SST_NAME,
	.shutdown_pre = sst_prepare_shutdown,
};

static dev_t sst_devt;

/*
 * Whether nobody but the caller can use the open file: no other descriptor, and
 * no other task with this table of descriptors. fdget() relies on the same. Who has
 * no more than mapped its slots cannot read.
 */
static bool sst_alone(struct file *filp)
{
	const struct sst_file *file = filp->private_data;

	return file_count(filp) == 1 + atomic_read(&file->mappings) && current->files &&
	       atomic_read(&current->files->count) == 1;
}

/**
 * sst_how() - tell how slots are to be claimed and submitted for a caller
 * @filp: the caller's open file
 * @iocb_flags: IOCB_NOWAIT or not
 *
 * Context: Process context.
 * Return: SST_* flags.
 */
unsigned int sst_how(struct file *filp, int iocb_flags)
{
	unsigned int how = 0;

	if (iocb_flags & IOCB_NOWAIT || filp->f_flags & O_NONBLOCK)
		how |= SST_NOWAIT;
	if (iocb_flags & IOCB_NOWAIT)
		how |= SST_NOSLEEP;
	if (sst_alone(filp))
		how |= SST_ALONE;

	return how;
}

static int sst_open(struct inode *inode, struct file *filp)
{
	struct sst_device *sst = container_of(inode->i_cdev, struct sst_device, cdev);
	struct sst_file *file;

	if (READ_ONCE(sst->gone))
		return -ENODEV;

	file = kzalloc_obj(*file, GFP_KERNEL_ACCOUNT);
	if (!file)
		return -ENOMEM;

	/* The open file has a reference to the cdev, which has one to sst->dev. */
	file->sst = sst;
	file->queue = sst_queue_here(sst);
	file->serial = atomic64_inc_return(&sst->serials);
	file->opener = get_pid(task_tgid(current));
	file->limit = SST_REQUEST_LIMIT_DEFAULT;
	init_waitqueue_head(&file->readers);
	init_waitqueue_head(&file->wait);
	INIT_LIST_HEAD(&file->poll_node);
	INIT_LIST_HEAD(&file->done);

	spin_lock(&sst->files_lock);
	list_add(&file->node, &sst->files);
	spin_unlock(&sst->files_lock);

	filp->private_data = file;
	filp->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, filp);
}

static int sst_close(struct inode *inode, struct file *filp)
{
	struct sst_file *file = filp->private_data;

	sst_aio_free(file);
	sst_abandon(file);
	sst_slots_close(file);
	spin_lock(&file->sst->files_lock);
	list_del(&file->node);
	spin_unlock(&file->sst->files_lock);
	put_pid(file->opener);
	kfree_rcu(file, rcu);

	return 0;
}

/**
 * sst_fill() - copy requests into slots
 * @file: who claimed the slots
 * @batch: the slots
 * @from: the requests
 * @size: bytes of each; the rest of the slots' is cleared
 *
 * Gives back the slots of those that can't be read from user space.
 *
 * Context: Process context, may sleep.
 * Return: the number of the others, or -EFAULT if there is none.
 */
int sst_fill(struct sst_file *file, struct list_head *batch, struct iov_iter *from,
	     size_t size)
{
	struct sst_slot *slot;
	LIST_HEAD(filled);
	int n = 0;

	list_for_each_entry(slot, batch, node) {
		if (!copy_from_iter_full(slot->request, size, from)) {
			list_cut_before(&filled, batch, &slot->node);
			sst_unclaim(file, batch);
			list_splice(&filled, batch);
			return n ?: -EFAULT;
		}
		memset((void *)slot->request + size, 0, sizeof(*slot->request) - size);
		n++;
	}

	return n;
}

/**
 * sst_write() - submit requests
 * @file: the file
 * @from: the requests
 * @how: SST_* flags
 *
 * Context: Process context, may sleep.
 * Return: bytes accepted, or a negative error code.
 */
ssize_t sst_write(struct sst_file *file, struct iov_iter *from, unsigned int how)
{
	size_t bytes = iov_iter_count(from);
	size_t size = min(bytes, sizeof(struct sst_request));
	unsigned int n = sst_requests_in(bytes);
	LIST_HEAD(batch);
	int ret;

	if (READ_ONCE(file->sst->gone))
		return -ENODEV;
	if (!n)
		return -EINVAL;

	ret = sst_claim(file, n, &batch, how);
	if (ret < 0)
		return ret;

	ret = sst_fill(file, &batch, from, size);
	if (ret < 0)
		return ret;

	ret = sst_submit(file, &batch, how);
	sst_unclaim(file, &batch);
	/* Who tries again later has to find them. */
	if (ret == -EAGAIN)
		iov_iter_revert(from, bytes - iov_iter_count(from));

	return ret < 0 ? ret : ret * size;
}

/* Whether a call that would have to wait may complete later */
static bool sst_may_defer(const struct kiocb *iocb, unsigned int how)
{
	return iocb->ki_flags & IOCB_AIO_RW && !(how & SST_NOWAIT);
}

static ssize_t sst_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	unsigned int how = sst_how(iocb->ki_filp, iocb->ki_flags);

	if (sst_may_defer(iocb, how))
		return sst_aio_write(iocb, from);

	return sst_write(iocb->ki_filp->private_data, from, how);
}

/* Bytes of a response that are not zero by definition */
static size_t sst_response_length(const struct sst_slot *slot)
{
	return slot->by_driver ? SST_RESPONSE_HEADER_SIZE : slot->length;
}

/**
 * sst_fill_header() - tell how a request has ended
 * @slot: its slot
 * @header: where to
 */
void sst_fill_header(const struct sst_slot *slot, struct sst_response_header *header)
{
	*header = (struct sst_response_header) {
		.request_id = cpu_to_le64(sst_slot_id(slot)),
		.user_data = slot->user_data,
	};
	if (slot->by_driver) {
		header->status = cpu_to_le32(slot->status);
		header->flags = cpu_to_le32(SST_RESPONSE_F_DRIVER);
	} else {
		header->status = READ_ONCE(slot->answer->status);
		header->result = READ_ONCE(slot->answer->result);
	}
}

/* Copy @size bytes of a response, the first of which are its header. */
static int sst_copy_response(const struct sst_slot *slot, struct iov_iter *to,
			     size_t size)
{
	size_t payload = min(size, sst_response_length(slot)) - SST_RESPONSE_HEADER_SIZE;
	size_t rest = size - SST_RESPONSE_HEADER_SIZE - payload;
	struct sst_response_header header;

	sst_fill_header(slot, &header);
	if (copy_to_iter(&header, sizeof(header), to) != sizeof(header) ||
	    copy_to_iter(sst_slot_payload(slot), payload, to) != payload ||
	    iov_iter_zero(rest, to) != rest)
		return -EFAULT;

	return 0;
}

/* Whether nothing of a response is lost if only @size bytes of it are copied */
static bool sst_response_fits(const struct sst_slot *slot, size_t size)
{
	size_t length = sst_response_length(slot);

	return length <= size ||
	       !memchr_inv(sst_slot_payload(slot) + (size - SST_RESPONSE_HEADER_SIZE), 0,
			   length - size);
}

/**
 * sst_copy_batch() - copy responses out of slots
 * @batch: the slots
 * @copied: list that they are moved to
 * @to: where to
 * @size: bytes of each
 *
 * Context: Process context, may sleep.
 * Return: 0, or the reason why the first slot left on @batch was not copied:
 *	* -EMSGSIZE: the rest of the response is not zero
 *	* -EFAULT
 */
int sst_copy_batch(struct list_head *batch, struct list_head *copied, struct iov_iter *to,
		   size_t size)
{
	struct sst_slot *slot, *next;
	int ret;

	list_for_each_entry_safe(slot, next, batch, node) {
		if (!sst_response_fits(slot, size))
			return -EMSGSIZE;
		ret = sst_copy_response(slot, to, size);
		if (ret)
			return ret;
		list_move_tail(&slot->node, copied);
	}

	return 0;
}

/**
 * sst_read() - take responses
 * @file: the file
 * @to: where to
 * @how: SST_* flags
 *
 * Context: Process context, may sleep.
 * Return: bytes of the responses, or a negative error code.
 */
ssize_t sst_read(struct sst_file *file, struct iov_iter *to, unsigned int how)
{
	size_t size = min(iov_iter_count(to), sizeof(struct sst_response));
	LIST_HEAD(copied);
	LIST_HEAD(batch);
	unsigned int n;
	int ret;

	if (size < SST_RESPONSE_HEADER_SIZE)
		return -EINVAL;

	n = min_t(size_t, iov_iter_count(to) / size, UINT_MAX);
	ret = sst_take(file, n, &batch, how & SST_NOWAIT);
	if (ret < 0)
		return ret;

	ret = sst_copy_batch(&batch, &copied, to, size);
	sst_put_back(file, &batch);
	n = sst_finish(file, &copied);

	return n ? n * size : ret;
}

static ssize_t sst_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	unsigned int how = sst_how(iocb->ki_filp, iocb->ki_flags);

	if (sst_may_defer(iocb, how))
		return sst_aio_read(iocb, to);

	return sst_read(iocb->ki_filp->private_data, to, how);
}

static __poll_t sst_poll(struct file *filp, struct poll_table_struct *wait)
{
	struct sst_file *file = filp->private_data;
	__poll_t mask = 0;

	/* One for everything: poll by libaio takes no second one. */
	poll_wait(filp, &file->wait, wait);

	if (READ_ONCE(file->sst->gone))
		mask |= EPOLLHUP | EPOLLERR;
	if (sst_may_read(file))
		mask |= EPOLLIN | EPOLLRDNORM;
	if (sst_may_write(file))
		mask |= EPOLLOUT | EPOLLWRNORM;

	return mask;
}

static int sst_get_info(struct sst_file *file, struct sst_info __user *arg)
{
	struct sst_device *sst = file->sst;
	struct sst_info info = {
		.abi_version = SST_ABI_VERSION,
		.version = sst->version,
		.device_id = sst->device_id,
		.queue_pairs = sst->nr_queues,
		.features = sst->features,
		.queue_size = READ_ONCE(sst->queues->capacity),
		.request_limit = READ_ONCE(file->limit),
		.request_timeout_ms = sst_file_timeout_ms(file),
	};

	return copy_to_user(arg, &info, sizeof(info)) ? -EFAULT : 0;
}

static bool sst_transaction_valid(const struct sst_transaction *t)
{
	return sst_sizes_valid(t->request_size, t->response_size) && !t->flags &&
	       !memchr_inv(t->reserved, 0, sizeof(t->reserved));
}

/*
 * Submit the request of a transaction. Returns the op that waits for its response, or
 * an error pointer.
 */
static struct sst_op *sst_transact_submit(struct file *filp, const struct sst_transaction *t,
					  u64 *id)
{
	struct sst_file *file = filp->private_data;
	unsigned int how = sst_how(filp, 0);
	struct sst_slot *slot;
	struct iov_iter from;
	struct sst_op *op;
	LIST_HEAD(batch);
	int ret;

	ret = sst_claim(file, 1, &batch, how);
	if (ret < 0)
		return ERR_PTR(ret);

	iov_iter_ubuf(&from, ITER_SOURCE, u64_to_user_ptr(t->request), t->request_size);
	ret = sst_fill(file, &batch, &from, t->request_size);
	if (ret < 0)
		return ERR_PTR(ret);

	slot = list_first_entry(&batch, struct sst_slot, node);
	*id = sst_slot_id(slot);
	op = sst_op_begin(&batch, sst_op_wake, NULL, READ_ONCE(file->sst->busy_poll_us));
	ret = sst_submit(file, &batch, how);
	sst_unclaim(file, &batch);

	return ret < 0 ? ERR_PTR(ret) : op;
}

/*
 * Once the request is submitted, a failure leaves its response to those who read.
 */
static int sst_transact(struct file *filp, struct sst_transaction __user *arg)
{
	const fmode_t both = FMODE_READ | FMODE_WRITE;
	struct sst_file *file = filp->private_data;
	struct sst_transaction t;
	struct iov_iter to;
	struct sst_op *op;
	LIST_HEAD(copied);
	LIST_HEAD(batch);
	u64 id;
	int ret;

	if ((filp->f_mode & both) != both)
		return -EBADF;
	if (copy_from_user(&t, arg, sizeof(t)) || put_user(0, &arg->request_id))
		return -EFAULT;
	if (!sst_transaction_valid(&t))
		return -EINVAL;

	op = sst_transact_submit(filp, &t, &id);
	if (IS_ERR(op))
		return PTR_ERR(op);

	ret = sst_op_wait(file, op, &batch);
	if (put_user(id, &arg->request_id) && !ret)
		ret = -EFAULT;
	if (!ret) {
		iov_iter_ubuf(&to, ITER_DEST, u64_to_user_ptr(t.response), t.response_size);
		ret = sst_copy_batch(&batch, &copied, &to, t.response_size);
	}
	sst_put_back(file, &batch);
	sst_finish(file, &copied);

	return ret;
}

static int sst_get_settings(struct sst_file *file, struct sst_settings __user *arg)
{
	struct sst_settings settings = {
		.flags = READ_ONCE(file->settings),
		.request_timeout_ms = sst_file_timeout_ms(file),
		.request_limit = READ_ONCE(file->limit),
	};

	return copy_to_user(arg, &settings, sizeof(settings)) ? -EFAULT : 0;
}

static bool sst_settings_valid(const struct sst_settings *settings)
{
	const u32 known = SST_SETTING_TIMEOUT | SST_SETTING_LIMIT;

	if (!settings->flags || settings->flags & ~known ||
	    memchr_inv(settings->reserved, 0, sizeof(settings->reserved)))
		return false;
	if (settings->flags & SST_SETTING_TIMEOUT &&
	    (settings->request_timeout_ms < SST_REQUEST_TIMEOUT_MIN_MS ||
	     settings->request_timeout_ms > SST_REQUEST_TIMEOUT_MAX_MS))
		return false;

	return !(settings->flags & SST_SETTING_LIMIT) ||
	       (settings->request_limit >= SST_REQUEST_LIMIT_MIN &&
		settings->request_limit <= SST_REQUEST_LIMIT_MAX);
}

static int sst_change_settings(struct sst_file *file,
			       const struct sst_settings __user *arg)
{
	struct sst_settings settings;

	if (copy_from_user(&settings, arg, sizeof(settings)))
		return -EFAULT;
	if (!sst_settings_valid(&settings))
		return -EINVAL;

	sst_set_settings(file, &settings);
	return 0;
}

static int sst_cancel(struct sst_file *file, struct sst_cancel __user *arg)
{
	struct sst_cancel cancel;
	int ret;

	if (copy_from_user(&cancel, arg, sizeof(cancel)) || put_user(0, &arg->count))
		return -EFAULT;

	ret = sst_cancel_requests(file, &cancel);
	return ret < 0 ? ret : put_user(ret, &arg->count);
}

static long sst_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	struct sst_file *file = filp->private_data;
	void __user *argp = (void __user *)arg;

	if (READ_ONCE(file->sst->gone))
		return -ENODEV;

	switch (cmd) {
	case SST_IOCTL_GET_INFO:
		return sst_get_info(file, argp);
	case SST_IOCTL_TRANSACT:
		return sst_transact(filp, argp);
	case SST_IOCTL_GET_SETTINGS:
		return sst_get_settings(file, argp);
	case SST_IOCTL_SET_SETTINGS:
		return sst_change_settings(file, argp);
	case SST_IOCTL_CANCEL:
		return sst_cancel(file, argp);
	case SST_IOCTL_SETUP_SLOTS:
		return sst_slots_setup(file, argp);
	case SST_IOCTL_TRANSACT_SLOTS:
		return sst_slots_transact(filp, argp);
	case SST_IOCTL_EVENT_FD:
		return sst_event_fd(filp, argp);
	default:
		return -ENOTTY;
	}
}

static const struct file_operations sst_fops = {
	.owner = THIS_MODULE,
	.open = sst_open,
	.release = sst_close,
	.read_iter = sst_read_iter,
	.write_iter = sst_write_iter,
	.poll = sst_poll,
	.mmap = sst_slots_mmap,
	.unlocked_ioctl = sst_ioctl,
	.compat_ioctl = compat_ptr_ioctl,
	.uring_cmd = sst_uring_cmd,
	.uring_cmd_iopoll = sst_uring_cmd_iopoll,
};

/**
 * sst_cdev_add() - let programs open a device
 * @sst: the device, which runs
 *
 * Context: Process context.
 * Return: 0 or a negative error code.
 */
int sst_cdev_add(struct sst_device *sst)
{
	sst->dev.devt = MKDEV(MAJOR(sst_devt), sst->index);
	cdev_init(&sst->cdev, &sst_fops);
	sst->cdev.owner = THIS_MODULE;

	return cdev_device_add(&sst->cdev, &sst->dev);
}

/**
 * sst_cdev_del() - let no program open a device any more
 * @sst: the device
 *
 * Files that are open stay open.
 *
 * Context: Process context.
 */
void sst_cdev_del(struct sst_device *sst)
{
	cdev_device_del(&sst->cdev, &sst->dev);
}

/**
 * sst_cdev_init() - register the class and the device numbers
 *
 * Context: Process context.
 * Return: 0 or a negative error code.
 */
int __init sst_cdev_init(void)
{
	int ret;

	ret = sst_aio_init();
	if (ret)
		return ret;

	ret = class_register(&sst_class);
	if (ret)
		goto exit_aio;

	ret = alloc_chrdev_region(&sst_devt, 0, 1U << MINORBITS, SST_NAME);
	if (ret)
		goto unregister_class;

	return 0;

unregister_class:
	class_unregister(&sst_class);
exit_aio:
	sst_aio_exit();
	return ret;
}

/**
 * sst_cdev_exit() - undo sst_cdev_init()
 *
 * Context: Process context.
 */
void sst_cdev_exit(void)
{
	unregister_chrdev_region(sst_devt, 1U << MINORBITS);
	class_unregister(&sst_class);
	sst_aio_exit();
}
