// SPDX-License-Identifier: GPL-2.0-only
/*
 * Floor of the benchmark, the calls: /dev/sst-null takes the calls that SST devices
 * take, copies what each has to copy, and does nothing else.
 */

#include <linux/fs.h>
#include <linux/io_uring/cmd.h>
#include <linux/miscdevice.h>
#include <linux/module.h>
#include <linux/slab.h>
#include <linux/uaccess.h>
#include <linux/uio.h>
#include <linux/virtio_sst.h>
#include <linux/vmalloc.h>

#include "floor_internal.h"
#include "sst_floor.h"

/* Where messages are copied to and from: as many as can be in flight */
struct null_slot {
	struct sst_request request;
	struct sst_response response;
	struct sst_slot_request slot_request;
	struct sst_slot_response slot_response;
};

/**
 * struct null_file - an open file
 * @slots: the messages, SST_FLOOR_DEPTH_MAX
 * @unread: requests whose responses have not been read
 */
struct null_file {
	struct null_slot *slots;
	unsigned long unread;
};

static int null_open(struct inode *inode, struct file *filp)
{
	struct null_file *file = kzalloc_obj(*file);

	if (!file)
		return -ENOMEM;

	file->slots = vcalloc(SST_FLOOR_DEPTH_MAX, sizeof(*file->slots));
	if (!file->slots) {
		kfree(file);
		return -ENOMEM;
	}

	filp->private_data = file;
	filp->f_mode |= FMODE_NOWAIT;
	return stream_open(inode, filp);
}

static int null_release(struct inode *inode, struct file *filp)
{
	struct null_file *file = filp->private_data;

	vfree(file->slots);
	kfree(file);

	return 0;
}

static bool null_take(struct null_file *file, size_t nr, struct iov_iter *from)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct sst_request *request = &file->slots[i % SST_FLOOR_DEPTH_MAX].request;

		if (!copy_from_iter_full(request, sizeof(*request), from))
			return false;
	}

	return true;
}

static bool null_give(struct null_file *file, size_t nr, struct iov_iter *to)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct sst_response *response = &file->slots[i % SST_FLOOR_DEPTH_MAX].response;

		if (copy_to_iter(response, sizeof(*response), to) != sizeof(*response))
			return false;
	}

	return true;
}

/* The same for payloads in slots: only what stands beside them is copied. */
static bool null_take_slots(struct null_file *file, size_t nr, struct iov_iter *from)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct sst_slot_request *request = &file->slots[i].slot_request;

		if (!copy_from_iter_full(request, sizeof(*request), from))
			return false;
	}

	return true;
}

static bool null_give_slots(struct null_file *file, size_t nr, struct iov_iter *to)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		struct sst_slot_response *response = &file->slots[i].slot_response;

		if (copy_to_iter(response, sizeof(*response), to) != sizeof(*response))
			return false;
	}

	return true;
}

static ssize_t null_write_iter(struct kiocb *iocb, struct iov_iter *from)
{
	struct null_file *file = iocb->ki_filp->private_data;
	size_t nr = iov_iter_count(from) / sizeof(struct sst_request);

	if (!nr)
		return -EINVAL;
	if (!null_take(file, nr, from))
		return -EFAULT;

	file->unread += nr;
	return nr * sizeof(struct sst_request);
}

static ssize_t null_read_iter(struct kiocb *iocb, struct iov_iter *to)
{
	struct null_file *file = iocb->ki_filp->private_data;
	size_t nr = iov_iter_count(to) / sizeof(struct sst_response);

	nr = min(nr, file->unread);
	if (!nr)
		return -EAGAIN;
	if (!null_give(file, nr, to))
		return -EFAULT;

	file->unread -= nr;
	return nr * sizeof(struct sst_response);
}

static int null_transact(struct null_file *file, struct sst_transaction __user *arg)
{
	struct null_slot *slot = file->slots;
	struct sst_transaction t;

	if (copy_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	if (t.request_size != sizeof(slot->request) ||
	    t.response_size != sizeof(slot->response))
		return -EINVAL;
	if (copy_from_user(&slot->request, u64_to_user_ptr(t.request),
			   sizeof(slot->request)) ||
	    copy_to_user(u64_to_user_ptr(t.response), &slot->response,
			 sizeof(slot->response)))
		return -EFAULT;

	return put_user(le64_to_cpu(slot->response.request_id), &arg->request_id);
}

static int null_transact_slots(struct null_file *file,
			       struct sst_slot_transaction __user *arg)
{
	struct sst_slot_transaction t;
	struct iov_iter from, to;

	if (copy_from_user(&t, arg, sizeof(t)))
		return -EFAULT;
	if (!t.nr || t.nr > SST_FLOOR_DEPTH_MAX)
		return -EINVAL;

	iov_iter_ubuf(&from, ITER_SOURCE, u64_to_user_ptr(t.requests),
		      t.nr * sizeof(struct sst_slot_request));
	iov_iter_ubuf(&to, ITER_DEST, u64_to_user_ptr(t.responses),
		      t.nr * sizeof(struct sst_slot_response));

	return null_take_slots(file, t.nr, &from) && !put_user(t.nr, &arg->submitted) &&
	       null_give_slots(file, t.nr, &to) ? t.nr : -EFAULT;
}

static long null_ioctl(struct file *filp, unsigned int cmd, unsigned long arg)
{
	switch (cmd) {
	case SST_FLOOR_IOCTL_EMPTY:
	case SST_IOCTL_SETUP_SLOTS:
		return 0;
	case SST_IOCTL_TRANSACT:
		return null_transact(filp->private_data, (void __user *)arg);
	case SST_IOCTL_TRANSACT_SLOTS:
		return null_transact_slots(filp->private_data, (void __user *)arg);
	default:
		return -ENOTTY;
	}
}

/* Make @iter what the address and the length in a command mean. */
static int null_import(struct io_uring_cmd *cmd, unsigned int issue_flags, int direction,
		       u64 address, size_t length, struct iov_iter *iter)
{
	if (cmd->flags & IORING_URING_CMD_FIXED)
		return io_uring_cmd_import_fixed(address, length, direction, iter, cmd,
						 issue_flags);

	iov_iter_ubuf(iter, direction, u64_to_user_ptr(address), length);
	return 0;
}

static int null_uring_transact(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct null_file *file = cmd->file->private_data;
	const struct sst_uring_transact *t;
	struct iov_iter from, to;
	u32 nr;

	t = io_uring_sqe128_cmd(cmd->sqe, struct sst_uring_transact);
	nr = READ_ONCE(t->nr);
	if (!nr || nr > SST_FLOOR_DEPTH_MAX)
		return -EINVAL;
	if (null_import(cmd, issue_flags, ITER_SOURCE, READ_ONCE(t->requests),
			nr * sizeof(struct sst_request), &from) ||
	    null_import(cmd, issue_flags, ITER_DEST, READ_ONCE(t->responses),
			nr * sizeof(struct sst_response), &to))
		return -EFAULT;

	return null_take(file, nr, &from) && null_give(file, nr, &to) ? nr : -EFAULT;
}

static int null_uring_transact_slots(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	struct null_file *file = cmd->file->private_data;
	const struct sst_slot_transaction *t;
	struct iov_iter from, to;
	u32 nr;

	t = io_uring_sqe128_cmd(cmd->sqe, struct sst_slot_transaction);
	nr = READ_ONCE(t->nr);
	if (!nr || nr > SST_FLOOR_DEPTH_MAX)
		return -EINVAL;
	if (null_import(cmd, issue_flags, ITER_SOURCE, READ_ONCE(t->requests),
			nr * sizeof(struct sst_slot_request), &from) ||
	    null_import(cmd, issue_flags, ITER_DEST, READ_ONCE(t->responses),
			nr * sizeof(struct sst_slot_response), &to))
		return -EFAULT;

	return null_take_slots(file, nr, &from) && null_give_slots(file, nr, &to) ? nr : -EFAULT;
}

static int null_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags)
{
	if (!(issue_flags & IO_URING_F_SQE128))
		return -EINVAL;

	switch (cmd->cmd_op) {
	case SST_URING_CMD_TRANSACT:
		return null_uring_transact(cmd, issue_flags);
	case SST_URING_CMD_TRANSACT_SLOTS:
		return null_uring_transact_slots(cmd, issue_flags);
	default:
		return -EINVAL;
	}
}

static const struct file_operations null_fops = {
	.owner = THIS_MODULE,
	.open = null_open,
	.release = null_release,
	.read_iter = null_read_iter,
	.write_iter = null_write_iter,
	.unlocked_ioctl = null_ioctl,
	.uring_cmd = null_uring_cmd,
};

static struct miscdevice null_misc = {
	.minor = MISC_DYNAMIC_MINOR,
	.name = "sst-null",
	.fops = &null_fops,
};

int sst_null_init(void)
{
	return misc_register(&null_misc);
}

void sst_null_exit(void)
{
	misc_deregister(&null_misc);
}
