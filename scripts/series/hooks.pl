# SPDX-License-Identifier: GPL-2.0-only
#
# perl hooks.pl STAGE KERNEL
#
# Adds to the kernel's own files below KERNEL the lines that lead to those of our
# files that are in STAGE.

use strict;
use warnings;

my ($stage, $kernel) = @ARGV;

sub contents {
	my ($file) = @_;
	local $/;

	open(my $in, '<', $file) or die "$file: $!\n";
	return scalar(<$in>);
}

# Puts a text into one of the kernel's files, in front of what the pattern matches.
sub insert {
	my ($file, $text, $pattern) = @_;
	my $all = contents("$kernel/$file");

	$all =~ s{(?=$pattern)}{$text} or die "$file of the kernel has no place for us\n";
	open(my $out, '>', "$kernel/$file") or die "$file: $!\n";
	print $out $all;
	close($out) or die "$file: $!\n";
}

sub ours {
	return -e "$stage/$_[0]" ? contents("$stage/$_[0]") : '';
}

# What of our file follows its first line, the licence's.
sub entries {
	return ours($_[0]) =~ s{\A#.*\n}{}r;
}

if (ours('include/uapi/linux/virtio_sst.h')) {
	insert('Documentation/userspace-api/ioctl/ioctl-number.rst',
		sprintf("0xBB  00-1F  %-57s <mailto:virtualization\@lists.linux.dev>\n", 'linux/virtio_sst.h'),
		qr{^0x(?:B[C-F]|[C-F])}m);
}
if (my $kconfig = entries('drivers/virtio/Kconfig')) {
	insert('drivers/virtio/Kconfig', "$kconfig\n", qr{^endif # VIRTIO_MENU}m);
	insert('drivers/virtio/Makefile', entries('drivers/virtio/Makefile'), qr{\z});
}
if (ours('tools/testing/selftests/drivers/virtio_sst/Makefile')) {
	insert('tools/testing/selftests/Makefile', "TARGETS += drivers/virtio_sst\n",
		qr{^TARGETS \+= dt$}m);
}
for my $page ('virtio_sst', 'virtio_sst_states') {
	insert('Documentation/userspace-api/index.rst', "   $page\n", qr{^\nEverything else$}m)
		if ours("Documentation/userspace-api/$page.rst");
}
if (ours('Documentation/driver-api/virtio/virtio_sst.rst')) {
	insert('Documentation/driver-api/virtio/index.rst', "   virtio_sst\n", qr{\z});
}
if (my $entry = ours('MAINTAINERS.snippet')) {
	my ($title) = $entry =~ /\A(.*)\n/;
	my ($next) = grep { $_ gt $title } contents("$kernel/MAINTAINERS") =~ /^(VIR.*)\n(?=[A-Z]:\t)/mg;
	insert('MAINTAINERS', "$entry\n", qr{^\Q$next\E$}m);
}
