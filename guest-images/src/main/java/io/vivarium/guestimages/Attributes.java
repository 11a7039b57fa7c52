// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages;

import java.time.Instant;

/// What every file has besides its content.
///
/// @param permissions the low twelve bits of `st_mode`: set-user-ID, set-group-ID, sticky, and `rwxrwxrwx` (`0`
///     … `07777`)
/// @param uid owner, `0` … `2³²−1`
/// @param gid group, `0` … `2³²−1`
/// @param mtime time of last modification, to the nanosecond
public record Attributes(int permissions, long uid, long gid, Instant mtime) {
    private static final long MAX_ID = 0xFFFF_FFFFL;
    private static final int PERMISSION_MASK = 07777;

    /// @throws IllegalArgumentException a number is out of its range
    public Attributes {
        if ((permissions & ~PERMISSION_MASK) != 0) {
            throw new IllegalArgumentException("permissions 0%o have bits outside 07777".formatted(permissions));
        }
        if (uid < 0 || uid > MAX_ID) {
            throw new IllegalArgumentException("uid " + uid + " is not in 0 … 4294967295");
        }
        if (gid < 0 || gid > MAX_ID) {
            throw new IllegalArgumentException("gid " + gid + " is not in 0 … 4294967295");
        }
    }

    /// Owned by root and last modified at the epoch, so that what a program makes up has the same bytes every
    /// time.
    public static Attributes of(int permissions) {
        return new Attributes(permissions, 0, 0, Instant.EPOCH);
    }

    /// The same with another owner and group.
    public Attributes withOwner(long newUid, long newGid) {
        return new Attributes(permissions, newUid, newGid, mtime);
    }

    /// The same with another time of last modification.
    public Attributes withMtime(Instant newMtime) {
        return new Attributes(permissions, uid, gid, newMtime);
    }
}
