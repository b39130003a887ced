# SPDX-License-Identifier: GPL-2.0-only
my ($cdev, $queue, $internal) = map { "drivers/virtio/virtio_sst_$_" } qw(cdev.c queue.c internal.h);
my $page = 'Documentation/userspace-api/virtio_sst.rst';
my $uapi = 'include/uapi/linux/virtio_sst.h';

functions($cdev, qw(
	sst_get_settings sst_settings_valid sst_change_settings sst_cancel
));
for my $case (['GET_SETTINGS', 'sst_get_settings'], ['SET_SETTINGS', 'sst_change_settings'],
	      ['CANCEL', 'sst_cancel']) {
	replace($cdev, "\tcase SST_IOCTL_$case->[0]:\n\t\treturn $case->[1](file, argp);\n", '');
}

functions($queue, qw(sst_cancel_some sst_cancel_in_flight sst_cancel_requests sst_set_settings));
declarations($internal, 'sst_cancel_requests');
lines($internal, 'sst_set_settings\(',
	'sizeof\(struct sst_settings\)', 'sizeof\(struct sst_cancel\)',
	' \* @cancelled:', '\tu64 cancelled;',
	' \* @timeout_ms: time that the device has', ' \* @settings: ',
	'^\tunsigned int timeout_ms;', '^\tu32 settings;');
replace($internal, ' @poll_node to @settings are', ' @poll_node to @limit are');
replace($internal, <<'OLD', <<'NEW');
	return READ_ONCE(file->settings) & SST_SETTING_TIMEOUT ?
		READ_ONCE(file->timeout_ms) : READ_ONCE(file->sst->request_timeout_ms);
OLD
	return READ_ONCE(file->sst->request_timeout_ms);
NEW

lines('drivers/virtio/virtio_sst.c', 'sum->cancelled ');
lines('drivers/virtio/virtio_sst_sysfs.c', 'cancelled %llu');
replace('drivers/virtio/virtio_sst_sysfs.c', ' s->cancelled,', '');
lines('Documentation/ABI/testing/sysfs-class-virtio-sst', '\tcancelled ');
replace('Documentation/ABI/testing/sysfs-class-virtio-sst', ' cancelled,', '');

documented($uapi, 'struct sst_settings', 'struct sst_cancel', 'SST_IOCTL_GET_SETTINGS',
	'SST_IOCTL_SET_SETTINGS', 'SST_IOCTL_CANCEL');
paragraphs($uapi, '/\\* Flags of &struct sst_settings', '/\\* Flag of &struct sst_cancel');
replace($uapi, "#define SST_ABI_VERSION\t\t2", "#define SST_ABI_VERSION\t\t1");

rows($page, 'SST_IOCTL_CANCEL``: a', 'SST_IOCTL_SET_SETTINGS', 'SST_IOCTL_CANCEL`` ');
paragraphs($page, '``SST_IOCTL_CANCEL', '``SST_IOCTL_SET_SETTINGS');
