// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

/// Whom a program runs as inside the guest. It has no meaning on the host.
///
/// @param uid user id, 0 … 2³²−2 (2³²−1 is `(uid_t) -1`, "no change", setresuid(2))
/// @param gid group id, in the same range
public record User(long uid, long gid) {
    /// User 0, group 0.
    public static final User ROOT = new User(0, 0);

    private static final long MAX_ID = 0xFFFF_FFFEL;

    /// @throws IllegalArgumentException if an id is out of range
    public User {
        check("uid", uid);
        check("gid", gid);
    }

    private static void check(String name, long id) {
        if (id < 0 || id > MAX_ID) {
            throw new IllegalArgumentException(name + " " + id + " is not in 0 … " + MAX_ID);
        }
    }
}
