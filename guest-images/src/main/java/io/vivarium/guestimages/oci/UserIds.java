// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.oci;

import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.RootFs;
import io.vivarium.guestimages.TreeNode.RegularFile;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Optional;

/// Whom an image's programs run as, in numbers.
///
/// @param uid `0` … `2³²−2`
/// @param gid `0` … `2³²−2`
public record UserIds(long uid, long gid) {
    /// User 0, group 0.
    public static final UserIds ROOT = new UserIds(0, 0);

    private static final int MAX_DATABASE_BYTES = 1 << 20;
    private static final long MAX_ID = 0xFFFF_FFFEL;

    /// Looks `user[:group]` up in the image's own `/etc/passwd` and `/etc/group` (passwd(5),
    /// group(5)). A number need not be there; its group is then 0 unless one is given.
    ///
    /// @param source the image, for errors
    /// @param tree the image's files
    /// @param text what the image says; empty for root
    /// @throws ImageException a name is not in the image's files
    public static UserIds find(String source, RootFs tree, String text) throws IOException {
        if (text.isEmpty()) {
            return ROOT;
        }
        int colon = text.indexOf(':');
        String user = colon < 0 ? text : text.substring(0, colon);
        Optional<Long> uid = number(user);
        Optional<String[]> entry = lines(tree, "etc/passwd").stream()
                .map((String line) -> line.split(":", -1))
                .filter((String[] fields) -> fields.length >= 4
                        && (fields[0].equals(user)
                                || (uid.isPresent() && number(fields[2]).equals(uid))))
                .findFirst();
        long userId = uid.or(() -> entry.flatMap((String[] fields) -> number(fields[2])))
                .orElseThrow(() -> new ImageException(
                        source, "runs its programs as user '" + user + "', who is not in its /etc/passwd"));
        if (colon < 0) {
            return new UserIds(
                    userId,
                    entry.flatMap((String[] fields) -> number(fields[3])).orElse(0L));
        }
        return new UserIds(userId, group(source, tree, text.substring(colon + 1)));
    }

    private static long group(String source, RootFs tree, String group) throws IOException {
        Optional<Long> gid = number(group);
        return gid.or(() -> lines(tree, "etc/group").stream()
                        .map((String line) -> line.split(":", -1))
                        .filter((String[] fields) -> fields.length >= 3 && fields[0].equals(group))
                        .findFirst()
                        .flatMap((String[] fields) -> number(fields[2])))
                .orElseThrow(() -> new ImageException(
                        source, "runs its programs as group '" + group + "', which is not in its /etc/group"));
    }

    private static Optional<Long> number(String text) {
        return text.matches("\\d{1,10}")
                ? Optional.of(Long.parseLong(text)).filter((Long id) -> id <= MAX_ID)
                : Optional.empty();
    }

    private static List<String> lines(RootFs tree, String path) {
        if (tree.find(path).orElse(null) instanceof RegularFile file) {
            try (InputStream in = file.content().open()) {
                return new String(in.readNBytes(MAX_DATABASE_BYTES), StandardCharsets.UTF_8)
                        .lines()
                        .toList();
            } catch (IOException e) {
                throw new UncheckedIOException(e);
            }
        }
        return List.of();
    }
}
