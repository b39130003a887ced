# SPDX-License-Identifier: GPL-2.0-only
my $tests = 'tools/testing/selftests/drivers/virtio_sst';

files(map { "$tests/$_" } qw(
	.gitignore
	Makefile
	backend-options
	config
	file_test.c
	lifecycle_test.c
	module.sh
	sst_test.h
));
