// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import java.io.Serializable;
import java.util.HashMap;
import java.util.Map;

/// An error number of Linux on x86-64 (`asm-generic/errno-base.h`, `asm-generic/errno.h`).
///
/// @param value the number, greater than zero
public record Errno(int value) implements Serializable {
    /// Operation not permitted.
    public static final Errno EPERM = new Errno(1);

    /// No such file or directory.
    public static final Errno ENOENT = new Errno(2);

    /// Argument list too long, or too short a list for the answer.
    public static final Errno E2BIG = new Errno(7);

    /// Interrupted by a signal.
    public static final Errno EINTR = new Errno(4);

    /// Input/output error.
    public static final Errno EIO = new Errno(5);

    /// No such device or address.
    public static final Errno ENXIO = new Errno(6);

    /// Try again.
    public static final Errno EAGAIN = new Errno(11);

    /// Out of memory.
    public static final Errno ENOMEM = new Errno(12);

    /// Permission denied.
    public static final Errno EACCES = new Errno(13);

    /// Bad address.
    public static final Errno EFAULT = new Errno(14);

    /// Device or resource busy.
    public static final Errno EBUSY = new Errno(16);

    /// Exists already.
    public static final Errno EEXIST = new Errno(17);

    /// No such device.
    public static final Errno ENODEV = new Errno(19);

    /// Invalid argument.
    public static final Errno EINVAL = new Errno(22);

    /// Request not known to this file.
    public static final Errno ENOTTY = new Errno(25);

    /// File too large.
    public static final Errno EFBIG = new Errno(27);

    /// No space left.
    public static final Errno ENOSPC = new Errno(28);

    /// System call not there.
    public static final Errno ENOSYS = new Errno(38);

    /// Not supported by this file.
    public static final Errno EOPNOTSUPP = new Errno(95);

    /// No buffer space available.
    public static final Errno ENOBUFS = new Errno(105);

    /// Quota exceeded.
    public static final Errno EDQUOT = new Errno(122);

    /// The name in the kernel's headers, such as `EINVAL`; `errno 4711` for a number that has none.
    public String symbol() {
        return Names.BY_VALUE.getOrDefault(value, "errno " + value);
    }

    @Override
    public String toString() {
        return symbol();
    }

    /// Filled at the first error only, to keep it off the launch path.
    private static final class Names {
        private static final Map<Integer, String> BY_VALUE = parse("""
                EPERM=1 ENOENT=2 ESRCH=3 EINTR=4 EIO=5 ENXIO=6 E2BIG=7 ENOEXEC=8 EBADF=9 ECHILD=10 EAGAIN=11
                ENOMEM=12 EACCES=13 EFAULT=14 ENOTBLK=15 EBUSY=16 EEXIST=17 EXDEV=18 ENODEV=19 ENOTDIR=20 EISDIR=21
                EINVAL=22 ENFILE=23 EMFILE=24 ENOTTY=25 ETXTBSY=26 EFBIG=27 ENOSPC=28 ESPIPE=29 EROFS=30 EMLINK=31
                EPIPE=32 EDOM=33 ERANGE=34 EDEADLK=35 ENAMETOOLONG=36 ENOLCK=37 ENOSYS=38 ENOTEMPTY=39 ELOOP=40
                ENOMSG=42 EIDRM=43 ECHRNG=44 EL2NSYNC=45 EL3HLT=46 EL3RST=47 ELNRNG=48 EUNATCH=49 ENOCSI=50
                EL2HLT=51 EBADE=52 EBADR=53 EXFULL=54 ENOANO=55 EBADRQC=56 EBADSLT=57 EBFONT=59 ENOSTR=60 ENODATA=61
                ETIME=62 ENOSR=63 ENONET=64 ENOPKG=65 EREMOTE=66 ENOLINK=67 EADV=68 ESRMNT=69 ECOMM=70 EPROTO=71
                EMULTIHOP=72 EDOTDOT=73 EBADMSG=74 EOVERFLOW=75 ENOTUNIQ=76 EBADFD=77 EREMCHG=78 ELIBACC=79
                ELIBBAD=80 ELIBSCN=81 ELIBMAX=82 ELIBEXEC=83 EILSEQ=84 ERESTART=85 ESTRPIPE=86 EUSERS=87 ENOTSOCK=88
                EDESTADDRREQ=89 EMSGSIZE=90 EPROTOTYPE=91 ENOPROTOOPT=92 EPROTONOSUPPORT=93 ESOCKTNOSUPPORT=94
                EOPNOTSUPP=95 EPFNOSUPPORT=96 EAFNOSUPPORT=97 EADDRINUSE=98 EADDRNOTAVAIL=99 ENETDOWN=100
                ENETUNREACH=101 ENETRESET=102 ECONNABORTED=103 ECONNRESET=104 ENOBUFS=105 EISCONN=106 ENOTCONN=107
                ESHUTDOWN=108 ETOOMANYREFS=109 ETIMEDOUT=110 ECONNREFUSED=111 EHOSTDOWN=112 EHOSTUNREACH=113
                EALREADY=114 EINPROGRESS=115 ESTALE=116 EUCLEAN=117 ENOTNAM=118 ENAVAIL=119 EISNAM=120 EREMOTEIO=121
                EDQUOT=122 ENOMEDIUM=123 EMEDIUMTYPE=124 ECANCELED=125 ENOKEY=126 EKEYEXPIRED=127 EKEYREVOKED=128
                EKEYREJECTED=129 EOWNERDEAD=130 ENOTRECOVERABLE=131 ERFKILL=132 EHWPOISON=133
                """);

        private static Map<Integer, String> parse(String table) {
            Map<Integer, String> names = new HashMap<>();
            for (String entry : table.strip().split("\\s+", -1)) {
                int equals = entry.indexOf('=');
                names.put(Integer.valueOf(entry.substring(equals + 1)), entry.substring(0, equals));
            }
            return names;
        }
    }
}
