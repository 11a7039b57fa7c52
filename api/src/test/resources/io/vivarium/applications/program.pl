# SPDX-License-Identifier: Apache-2.0
# What Perl asks of a system.
use strict; use warnings;
use Cwd; use Digest::MD5 qw(md5_hex); use Digest::SHA qw(sha256_hex); use Errno; use Fcntl qw(:flock SEEK_SET);
use File::Find; use File::Path qw(make_path remove_tree); use File::Temp qw(tempdir); use IO::Handle; use IO::Select; use IO::Socket::INET;
use IO::Socket::UNIX; use IPC::Open3; use List::Util qw(sum shuffle reduce); use MIME::Base64; use POSIX qw(:sys_wait_h strftime floor);
use Socket; use Storable qw(dclone); use Sys::Hostname; use Time::HiRes qw(usleep setitimer ITIMER_REAL ITIMER_VIRTUAL clock_gettime CLOCK_MONOTONIC);
$| = 1;

my $dir = tempdir(CLEANUP => 1);
chdir $dir or die;
open my $out, '>', 'text' or die; print $out map { "line $_\n" } 1 .. 1000; close $out;
open my $in, '<', 'text' or die; my @lines = <$in>; close $in;
print scalar(@lines), " ", (stat 'text')[7], " ", md5_hex(@lines), " ", sha256_hex('x'), " ", encode_base64('perl');
open my $locked, '+<', 'text'; flock $locked, LOCK_EX; seek $locked, 5, SEEK_SET; read $locked, my $buffer, 4; print "$buffer\n"; truncate $locked, 10; close $locked;
print -s 'text', " ", -d '.' ? 'directory' : '', "\n";
make_path('a/b/c'); symlink 'b', 'a/link'; rename 'text', 'a/moved';
find({ wanted => sub { print "$File::Find::name\n" }, preprocess => sub { sort @_ } }, '.');
my %count; $count{$_}++ for split //, 'mississippi'; print join(',', map { "$_=$count{$_}" } sort keys %count), "\n";
print join(' ', map { $_ ** 2 } grep { $_ % 2 } 1 .. 9), " ", sum(1 .. 100), " ", reduce { $a * $b } 1 .. 10; print "\n";
(my $swapped = 'hello world') =~ s/(\w+) (\w+)/$2 $1/; print "$swapped\n"; print "named $+{y}\n" if '2024-05' =~ /(?<y>\d+)-/;
printf "%05.2f %x %s %e\n", 3.14159, 255, strftime('%F', gmtime 86400), 12345.678;

print `echo backticks; exit 3`, $? >> 8, "\n"; print system('true'), " ", system('sh', '-c', 'kill -9 $$'), "\n";
my $pid = fork // die; if (!$pid) { POSIX::_exit(7) } waitpid $pid, 0; print "child ", WEXITSTATUS($?), "\n";
pipe my $r, my $w; if (!fork) { close $r; print $w "from the child\n"; close $w; POSIX::_exit(0) } close $w; print <$r>; wait;
my $opened = open3(my $to, my $from, undef, 'sort'); print $to "b\na\n"; close $to; print <$from>; waitpid $opened, 0;
open my $pipe, '-|', 'seq', '1', '3' or die; print map { "piped $_" } <$pipe>; close $pipe;

local $SIG{USR1} = sub { print "USR1\n" }; kill USR1 => $$;
local $SIG{ALRM} = sub { die "alarm\n" }; eval { alarm 1; select undef, undef, undef, 60; }; print $@; alarm 0;
eval { setitimer(ITIMER_REAL, 0.01); 1 while 1 }; print $@;
my $reaped = 0; local $SIG{CHLD} = sub { while ((my $p = waitpid -1, WNOHANG) > 0) { print "reaped ", $? >> 8, "\n"; $reaped = 1 } }; if (!fork) { POSIX::_exit(4) } usleep 1 until $reaped; $SIG{CHLD} = 'DEFAULT';

my $server = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1', Proto => 'tcp') or die $@;
if (!fork) { my $c = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $server->sockport) or die; print $c "over tcp\n"; close $c; POSIX::_exit(0) }
my $c = $server->accept; print <$c>; wait;
socketpair my $s1, my $s2, AF_UNIX, SOCK_STREAM, PF_UNSPEC; $s1->autoflush; print $s1 "over unix\n"; print scalar <$s2>; print scalar(IO::Select->new($s2)->can_read(0)), "\n";
my $deep = dclone({ list => [1, { x => 2 }] }); print $deep->{list}[1]{x}, " ", defined $ENV{PATH}, " ", $0 =~ /program/ ? 1 : 0, "\n";
print clock_gettime(CLOCK_MONOTONIC) > 0, " ", floor(-1.5), " ", getpwuid($<), " ", (getpwnam 'root')[7], "\n";
open my $missing, '<', '/nowhere' or print "$!\n"; mkdir '/usr' or print "$!\n"; print $!{EEXIST} ? "EEXIST\n" : '';
eval { my @huge = (1) x 1000; die { code => 5 } }; print $@->{code}, "\n"; warn "to stderr\n"; chdir '/'; exit 13;
