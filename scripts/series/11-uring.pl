# SPDX-License-Identifier: GPL-2.0-only
my ($cdev, $queue, $internal) = map { "drivers/virtio/virtio_sst_$_" } qw(cdev.c queue.c internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $driver = 'Documentation/driver-api/virtio/virtio_sst.rst';
my $sysfs = 'Documentation/ABI/testing/sysfs-class-virtio-sst';
my $uapi = 'include/uapi/linux/virtio_sst.h';

files('drivers/virtio/virtio_sst_uring.c');
lines('drivers/virtio/Makefile', 'virtio_sst_uring\.o');
lines($cdev, '\t\.uring_cmd(_iopoll)? = ');

functions($queue, qw(sst_op_poll sst_op_hold sst_op_release sst_op_end_early sst_op_cancel));
lines($queue, 'op->held = false;');
lines($internal, ' \* @held: it must not end yet');
replace($internal, "\tbool held;\n\tbool polled;", "\tbool polled;");
declarations($internal, qw(sst_op_poll sst_op_hold sst_op_release sst_op_cancel));
lines($internal, '^struct io_(comp_batch|uring_cmd);', 'sizeof\(struct sst_uring_transact\)');
replace($internal, ', and one more if the op must not end yet', '');
replace($internal, <<'OLD', '');
#ifdef CONFIG_IO_URING
int sst_uring_cmd(struct io_uring_cmd *cmd, unsigned int issue_flags);
int sst_uring_cmd_iopoll(struct io_uring_cmd *cmd, struct io_comp_batch *iob,
			 unsigned int poll_flags);
#else
#define sst_uring_cmd NULL
#define sst_uring_cmd_iopoll NULL
#endif

OLD

documented($uapi, 'struct sst_uring_transact', 'SST_URING_CMD_TRANSACT', 'SST_URING_CMD_CANCEL');
paragraphs($uapi, '/\*\n \* io_uring: commands of');
replace($uapi, "#define SST_ABI_VERSION\t\t3", "#define SST_ABI_VERSION\t\t2");

rows($page, 'SST_URING_CMD_TRANSACT', 'SST_URING_CMD_CANCEL');
section($page, 'Example: commands of io_uring');
paragraphs($page, '``SST_URING_CMD_TRANSACT``', 'The responses go to the command, and never',
	'With ``IORING_URING_CMD_FIXED``', '``SST_URING_CMD_CANCEL`` ends', 'A ring with ``IORING_SETUP_IOPOLL``');
replace($page, "| file is closed, or the ring of  | nobody sees it     |              |               |\n" .
	"| its command                     |                    |              |               |",
	'| file is closed                  | nobody sees it     |              |               |');
replace($page, 'The requests of one write, command or call', 'The requests of one write');
section($driver, 'Commands of io_uring');
replace($driver, ' by one call or one command of io_uring, are', ' by one call, are');
replace($driver, "by the caller, or in task work of io_uring.", 'by the caller.');
replace($driver, " io_uring's rings with ``IORING_SETUP_IOPOLL`` can be used then. The device", ' The device');
replace($sysfs, " If it is not 0, rings of\n\t\tio_uring with IORING_SETUP_IOPOLL can be used.", '');
