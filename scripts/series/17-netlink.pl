# SPDX-License-Identifier: GPL-2.0-only
my ($core, $queue, $events, $internal) =
	map { "drivers/virtio/virtio_sst$_" } qw(.c _queue.c _events.c _internal.h);

files(qw(
	Documentation/netlink/specs/virtio-sst.yaml
	drivers/virtio/virtio_sst_netlink.c
	drivers/virtio/virtio_sst_nl.c
	drivers/virtio/virtio_sst_nl.h
	include/uapi/linux/virtio_sst_netlink.h
));
lines('drivers/virtio/Makefile', 'virtio_sst_netlink\.o');
lines('MAINTAINERS.snippet', 'Documentation/netlink');

functions($core, 'sst_get_queue_totals');
lines($core, 'INIT_LIST_HEAD\(&sst->netlink_node\);', '\tsst_netlink_(add|del|fault|changed)\(sst\);');
replace($core, <<'OLD', '');
	ret = sst_netlink_init();
	if (ret)
		goto exit_cdev;

OLD
replace($core, 'goto exit_debugfs;', 'goto exit_cdev;');
replace($core, "exit_debugfs:\n\tsst_debugfs_exit();\n\tsst_netlink_exit();\nexit_cdev:\n", "exit_cdev:\n\tsst_debugfs_exit();\n");
lines($core, '\tsst_netlink_exit\(\);');
edit($core, 'marked reads of running', sub { s{WRITE_ONCE\(sst->running, (\w+)\);}{sst->running = $1;}g });
lines($events, '\tsst_netlink_fault\(sst\);');
functions($queue, 'sst_count_fault');
edit($queue, 'faults', sub { s{sst_count_fault\(q, &q->stats\.(\w+)\);}{q->stats.$1++;}g });

edit($internal, 'declarations for netlink', sub { s{^#ifdef CONFIG_NET\n.*?^#endif\n\n}{}ms });
declarations($internal, 'sst_get_queue_totals');
lines($internal, ' \* @(netlink_node|counters_changed): ', '\tstruct list_head netlink_node;', '\tbool counters_changed;');
replace($internal, "not stopped. Read without by those who only tell\n *\tothers\n", "not stopped\n");
