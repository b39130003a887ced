# SPDX-License-Identifier: GPL-2.0-only
my ($cdev, $internal) = map { "drivers/virtio/virtio_sst_$_" } qw(cdev.c internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';

files('drivers/virtio/virtio_sst_aio.c');
lines('drivers/virtio/Makefile', 'virtio_sst_aio\.o');

functions($cdev, 'sst_may_defer');
for my $call ('write(iocb, from)', 'read(iocb, to)') {
	replace($cdev, "\tif (sst_may_defer(iocb, how))\n\t\treturn sst_aio_$call;\n\n", '');
}
lines($cdev, '\tsst_aio_free\(file\);');

replace($internal, <<'OLD', '');
#ifdef CONFIG_AIO
ssize_t sst_aio_read(struct kiocb *iocb, struct iov_iter *to);
ssize_t sst_aio_write(struct kiocb *iocb, struct iov_iter *from);
void sst_aio_free(struct sst_file *file);
#else
static inline ssize_t sst_aio_read(struct kiocb *iocb, struct iov_iter *to)
{
	return -EOPNOTSUPP;
}

static inline ssize_t sst_aio_write(struct kiocb *iocb, struct iov_iter *from)
{
	return -EOPNOTSUPP;
}

static inline void sst_aio_free(struct sst_file *file)
{
}
#endif

OLD
lines($internal, '^struct (kiocb|sst_aio);', ' \* @aio: ', '\tstruct sst_aio \*aio;');

rows($page, '``io_submit``');
section($page, 'io_submit()');
section('Documentation/driver-api/virtio/virtio_sst.rst', 'Calls of io_submit()');
replace('Documentation/driver-api/virtio/virtio_sst.rst',
	"by the caller, in task work of io_uring, or, for ``io_submit``, by a work item that\nborrows the program's address space.",
	'by the caller, or in task work of io_uring.');
