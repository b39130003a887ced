// SPDX-License-Identifier: GPL-2.0-only
/*
 * Virtio SST driver: debugfs, /sys/kernel/debug/virtio-sst/sstN/requests.
 *
 * The requests of one chunk of slots at a time are copied under the lock of their
 * queue and told without: what is kept from a queue's users is bounded, whatever is
 * in flight. So the list is not of one moment, but each line is.
 */

#include <linux/debugfs.h>
#include <linux/fs.h>
#include <linux/jiffies.h>
#include <linux/pid.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/xarray.h>

#include "virtio_sst_internal.h"

/* A position is 1 and the number of a chunk, above which is that of its queue. */
#define SST_CHUNK_BITS	(SST_SLOT_INDEX_BITS - ilog2(SST_CHUNK_SLOTS))

static struct dentry *sst_debugfs_root;

/**
 * struct sst_request_copy - what is told of a request
 * @id: its request_id
 * @user_data: from the program
 * @age_ms: how long the device has had it
 * @file: &sst_file.serial of the file that it is, or was, of
 * @opener: who has opened that, with a reference; NULL if it is closed
 * @type: from the program
 * @state: of its slot
 */
struct sst_request_copy {
	u64 id;
	u64 user_data;
	u64 age_ms;
	u64 file;
	struct pid *opener;
	u32 type;
	enum sst_slot_state state;
};

/**
 * struct sst_requests - the place in a list of requests
 * @sst: the device
 * @queue: number of the queue that the requests are in
 * @nr: number of @requests
 * @requests: those of a chunk
 */
struct sst_requests {
	struct sst_device *sst;
	unsigned int queue;
	unsigned int nr;
	struct sst_request_copy requests[SST_CHUNK_SLOTS];
};

static void sst_requests_add(struct sst_requests *r, const struct sst_slot *slot)
{
	r->requests[r->nr++] = (struct sst_request_copy) {
		.id = sst_slot_id(slot),
		.user_data = le64_to_cpu(slot->user_data),
		.age_ms = jiffies64_to_msecs(jiffies - slot->started),
		.file = slot->last_serial,
		.opener = slot->file ? get_pid(slot->file->opener) : NULL,
		.type = le32_to_cpu(slot->type),
		.state = slot->state,
	};
}

/* Take what the device has of a chunk. */
static void sst_requests_take(struct sst_requests *r, struct sst_queue *q,
			      const struct sst_chunk *chunk)
{
	unsigned int i;

	spin_lock_irq(&q->lock);
	for (i = 0; i < chunk->nr; i++) {
		switch (chunk->slots[i].state) {
		case SST_SLOT_BUSY:
		case SST_SLOT_AWAIT:
		case SST_SLOT_ZOMBIE:
			sst_requests_add(r, &chunk->slots[i]);
			break;
		default:
			break;
		}
	}
	spin_unlock_irq(&q->lock);
}

/*
 * Take the requests of the first chunk of a queue from *@index on that has any. Returns
 * false if there is none.
 */
static bool sst_requests_find(struct sst_requests *r, struct sst_queue *q,
			      unsigned long *index)
{
	struct sst_chunk *chunk;

	for (;; ++*index) {
		rcu_read_lock();
		chunk = xa_find(&q->chunks, index, ULONG_MAX, XA_PRESENT);
		if (chunk)
			sst_requests_take(r, q, chunk);
		rcu_read_unlock();
		if (!chunk || r->nr)
			return chunk;
	}
}

/* Take the requests of the first chunk from *@pos on, and put it there. */
static struct sst_requests *sst_requests_seek(struct sst_requests *r, loff_t *pos)
{
	unsigned long index = (*pos - 1) & (BIT(SST_CHUNK_BITS) - 1);

	r->queue = (*pos - 1) >> SST_CHUNK_BITS;
	for (; r->queue < r->sst->nr_queues; r->queue++, index = 0) {
		if (!sst_requests_find(r, &r->sst->queues[r->queue], &index))
			continue;
		*pos = 1 + ((loff_t)r->queue << SST_CHUNK_BITS | index);
		return r;
	}

	return NULL;
}

static void sst_requests_drop(struct sst_requests *r)
{
	while (r->nr)
		put_pid(r->requests[--r->nr].opener);
}

static void *sst_requests_start(struct seq_file *m, loff_t *pos)
{
	return *pos ? sst_requests_seek(m->private, pos) : SEQ_START_TOKEN;
}

static void *sst_requests_next(struct seq_file *m, void *v, loff_t *pos)
{
	sst_requests_drop(m->private);
	++*pos;

	return sst_requests_seek(m->private, pos);
}

static void sst_requests_stop(struct seq_file *m, void *v)
{
	sst_requests_drop(m->private);
}

/* Who has opened a file: as long as it is open, and the process is there */
static void sst_show_opener(struct seq_file *m, struct pid *opener)
{
	struct task_struct *task = get_pid_task(opener, PIDTYPE_TGID);
	char comm[TASK_COMM_LEN] = "-";

	if (task) {
		get_task_comm(comm, task);
		put_task_struct(task);
	}
	if (opener)
		seq_printf(m, "%7d ", pid_vnr(opener));
	else
		seq_puts(m, "      - ");
	seq_escape(m, comm, "\n\\");
	seq_putc(m, '\n');
}

static const char *sst_state_name(enum sst_slot_state state)
{
	switch (state) {
	case SST_SLOT_BUSY:
		return "BUSY";
	case SST_SLOT_AWAIT:
		return "AWAIT";
	default:
		return "ZOMBIE";
	}
}

static int sst_requests_show(struct seq_file *m, void *v)
{
	const struct sst_requests *r = m->private;
	const struct sst_request_copy *request;

	if (v == SEQ_START_TOKEN) {
		seq_printf(m, "%18s queue state  %10s %18s %9s %5s %7s comm\n",
			   "request_id", "type", "user_data", "age_ms", "file", "pid");
		return 0;
	}

	for (request = r->requests; request < r->requests + r->nr; request++) {
		seq_printf(m, "%#18llx %5u %-6s %10u %#18llx %9llu %5llu ",
			   request->id, r->queue, sst_state_name(request->state),
			   request->type, request->user_data, request->age_ms,
			   request->file);
		sst_show_opener(m, request->opener);
	}

	return 0;
}

static const struct seq_operations sst_requests_ops = {
	.start = sst_requests_start,
	.next = sst_requests_next,
	.stop = sst_requests_stop,
	.show = sst_requests_show,
};

/* While a function of an open file runs, its removal waits. */
static int sst_requests_open(struct inode *inode, struct file *filp)
{
	struct sst_requests *r;

	r = __seq_open_private(filp, &sst_requests_ops, sizeof(*r));
	if (!r)
		return -ENOMEM;

	r->sst = inode->i_private;
	return 0;
}

static const struct file_operations sst_requests_fops = {
	.owner = THIS_MODULE,
	.open = sst_requests_open,
	.read = seq_read,
	.llseek = seq_lseek,
	.release = seq_release_private,
};

/**
 * sst_debugfs_add() - have a device seen in debugfs
 * @sst: the device
 *
 * Context: Process context, may sleep.
 */
void sst_debugfs_add(struct sst_device *sst)
{
	sst->debugfs = debugfs_create_dir(dev_name(&sst->dev), sst_debugfs_root);
	debugfs_create_file("requests", 0400, sst->debugfs, sst, &sst_requests_fops);
}

/**
 * sst_debugfs_del() - have a device not seen in debugfs any more
 * @sst: the device
 *
 * Context: Process context, may sleep. Waits for those who look at it.
 */
void sst_debugfs_del(struct sst_device *sst)
{
	debugfs_remove(sst->debugfs);
}

/**
 * sst_debugfs_init() - make the place for devices in debugfs
 *
 * Context: Process context, may sleep.
 */
void __init sst_debugfs_init(void)
{
	sst_debugfs_root = debugfs_create_dir(SST_NAME, NULL);
}

/**
 * sst_debugfs_exit() - undo sst_debugfs_init()
 *
 * Context: Process context, may sleep.
 */
void sst_debugfs_exit(void)
{
	debugfs_remove(sst_debugfs_root);
}
