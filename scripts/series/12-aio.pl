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

replace($cdev, <<'OLD', <<'NEW');
	ret = sst_aio_init();
	if (ret)
		return ret;

	ret = class_register(&sst_class);
	if (ret)
		goto exit_aio;
OLD
	ret = class_register(&sst_class);
	if (ret)
		return ret;
NEW
replace($cdev, <<'OLD', <<'NEW');
		goto unregister_class;

	return 0;

unregister_class:
	class_unregister(&sst_class);
exit_aio:
	sst_aio_exit();
	return ret;
OLD
		class_unregister(&sst_class);

	return ret;
NEW
lines($cdev, '\tsst_aio_exit\(\);');

replace($internal, <<'OLD', '');
#ifdef CONFIG_AIO
int sst_aio_init(void);
void sst_aio_exit(void);
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

static inline int sst_aio_init(void)
{
	return 0;
}

static inline void sst_aio_exit(void)
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
