# SPDX-License-Identifier: GPL-2.0-only
#
# perl undo.pl TREE STEP.pl
#
# Takes out of TREE, which has our kernel files as they are after a patch of the
# series, what that patch adds. STEP.pl says what that is, with the functions below.
# Each of them must find what it is to remove, so that no step can outlive what it
# was written for.

use strict;
use warnings;

my ($tree, $step) = @ARGV;

sub edit {
	my ($file, $what, $change) = @_;
	my ($in, $out);
	local $/;

	open($in, '<', "$tree/$file") or die "$step: $file: $!\n";
	local $_ = <$in>;
	close($in);
	$change->() or die "$step: $file has no $what\n";
	# What was before the last thing of a file is the last now.
	s{\n+\z}{\n};
	open($out, '>', "$tree/$file") or die "$step: $file: $!\n";
	print $out $_;
	close($out) or die "$step: $file: $!\n";
}

# Whole files.
sub files {
	for my $file (@_) {
		unlink("$tree/$file") or die "$step: $file: $!\n";
	}
}

# C functions, with the comment in front of them and the empty line behind.
sub functions {
	my ($file, @names) = @_;

	for my $name (@names) {
		edit($file, "function $name", sub {
			s{(?:^/\*(?:(?!\*/).)*?\*/\n)?^[a-z](?:[^\n;{}]*?[\s*])?\Q$name\E\((?:[^;{}]*?)\)\n\{\n.*?^\}\n\n?}{}ms
		});
	}
}

# Declarations of C functions.
sub declarations {
	my ($file, @names) = @_;

	for my $name (@names) {
		edit($file, "declaration of $name", sub { s{^[a-z][^\n;{}]*[\s*]\Q$name\E\([^;{}]*\);\n}{}m });
	}
}

# Declarations or definitions below a kernel-doc comment that begins with a name, up
# to an empty line.
sub documented {
	my ($file, @names) = @_;

	for my $name (@names) {
		edit($file, "comment on $name", sub {
			s{^/\*\*\n \* \Q$name\E - (?:(?!\*/).)*\*/\n.*?\n\n}{}ms
		});
	}
}

# Lines that match.
sub lines {
	my ($file, @patterns) = @_;

	for my $pattern (@patterns) {
		edit($file, "line like $pattern", sub { s{^[^\n]*$pattern[^\n]*\n}{}mg });
	}
}

# Paragraphs that begin like this: what is between two empty lines.
sub paragraphs {
	my ($file, @patterns) = @_;

	for my $pattern (@patterns) {
		edit($file, "paragraph like $pattern", sub { s{(?<=\n\n)$pattern.*?\n\n}{}s });
	}
}

# Rows of a table with lines around its cells whose first lines match.
sub rows {
	my ($file, @patterns) = @_;

	for my $pattern (@patterns) {
		edit($file, "row like $pattern", sub { s{^\|[^\n]*$pattern.*?^\+[-+]*\+\n}{}ms });
	}
}

# A section of a page with all that is in it, up to the next heading of its level, or of
# a higher one.
sub section {
	my ($file, $heading) = @_;

	edit($file, "section $heading", sub {
		s{^\Q$heading\E\n([-=])\1+\n.*?(?=^[^\n]+\n(?:=+|\1+)\n|\z)}{}ms
	});
}

# An entry of a Kconfig file, with the empty line in front of it.
sub config {
	my ($file, $name) = @_;

	edit($file, "config $name", sub { s{^\nconfig \Q$name\E\n(?:(?:\t[^\n]*)?\n)*?(?=\n\w|\z)}{}m });
}

# One text instead of another.
sub replace {
	my ($file, $old, $new) = @_;

	edit($file, "text '$old'", sub { s{\Q$old\E}{$new} });
}

defined(do "./$step") or die $@ || "$step: $!\n";
