# SPDX-License-Identifier: GPL-2.0-only
my $tests = 'tools/testing/selftests/drivers/virtio_sst';

files('Documentation/userspace-api/virtio_sst_states.rst', map { "$tests/$_" } qw(
	aio_test.c
	busy_poll_test.c
	debugfs_test.c
	events_test.c
	fault_test.c
	fuzz.c
	fuzz-parts/aio.c
	fuzz-parts/files.c
	fuzz-parts/fuzz.h
	fuzz-parts/ioctls.c
	fuzz-parts/memory.c
	fuzz-parts/oracle.c
	fuzz-parts/program.c
	fuzz-parts/slots.c
	fuzz-parts/uring.c
	fuzz-parts/witness.c
	hostile.c
	ioctl_test.c
	ledger.c
	ledger.sh
	lives.c
	netlink_test.c
	pairs_test.c
	reset_test.c
	response_test.c
	security_test.c
	slots_test.c
	state_test.c
	trace_test.c
	uring_test.c
	ynl_test.py
));
functions("$tests/sst_test.h", qw(file_set file_set_timeout file_set_limit file_cancel sst_fill_queue sst_suspend_missing sst_suspend));
paragraphs("$tests/sst_test.h", '/\* Settings of an open file, and');
replace("$tests/Makefile", 'aio_test busy_poll_test debugfs_test events_test fault_test file_test',
	'file_test lifecycle_test');
lines("$tests/Makefile", '^TEST_GEN_PROGS \\+=', '^TEST_GEN_PROGS_EXTENDED');
replace("$tests/Makefile", 'ledger.sh module.sh ynl_test.py', 'module.sh');
lines("$tests/Makefile", '^\$\(OUTPUT\)/(fuzz|netlink_test)');
lines("$tests/config", 'CONFIG_(DEBUG_FS|FAIL.*|FAULT_.*|FTRACE|NET|NET_NS|USER_NS)=y');
replace("$tests/.gitignore", "/$_\n", '') for qw(
	aio_test busy_poll_test debugfs_test events_test fault_test fuzz hostile ioctl_test ledger lives netlink_test pairs_test reset_test
	response_test security_test slots_test state_test trace_test uring_test
);
paragraphs('Documentation/userspace-api/virtio_sst.rst', 'Documentation/userspace-api/virtio_sst_states.rst has');
