// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

/// The version of a package, `[epoch:]upstream[-revision]`, in the order of Debian Policy §5.6.12.
///
/// Two versions may be equal in this order and differ in their text: `1.0` and `1.00`.
///
/// @param epoch `0` when there is none
/// @param upstream the project's own
/// @param revision Debian's; empty when there is none
record DebianVersion(long epoch, String upstream, String revision) implements Comparable<DebianVersion> {
    static DebianVersion parse(String text) throws DebianFormatException {
        long epoch = 0;
        String rest = text;
        int colon = text.indexOf(':');
        if (colon >= 0) {
            String digits = text.substring(0, colon);
            if (!digits.matches("[0-9]{1,9}")) {
                throw wrong(text);
            }
            epoch = Long.parseLong(digits);
            rest = text.substring(colon + 1);
        }
        int hyphen = rest.lastIndexOf('-');
        String upstream = hyphen < 0 ? rest : rest.substring(0, hyphen);
        String revision = hyphen < 0 ? "" : rest.substring(hyphen + 1);
        if (!upstream.matches("[0-9A-Za-z.+~:-]+")
                || !revision.matches("[0-9A-Za-z.+~]*")
                || (hyphen >= 0 && revision.isEmpty())) {
            throw wrong(text);
        }
        return new DebianVersion(epoch, upstream, revision);
    }

    private static DebianFormatException wrong(String text) {
        return new DebianFormatException("'" + text + "' is not a version");
    }

    @Override
    public int compareTo(DebianVersion other) {
        int byEpoch = Long.compare(epoch, other.epoch);
        if (byEpoch != 0) {
            return byEpoch;
        }
        int byUpstream = compare(upstream, other.upstream);
        return byUpstream != 0 ? byUpstream : compare(revision, other.revision);
    }

    /// By turns, what is not digits by [#order], and digits as numbers.
    private static int compare(String left, String right) {
        int i = 0;
        int j = 0;
        while (i < left.length() || j < right.length()) {
            while ((i < left.length() && !isDigit(left, i)) || (j < right.length() && !isDigit(right, j))) {
                int difference = Integer.compare(order(left, i), order(right, j));
                if (difference != 0) {
                    return difference;
                }
                i++;
                j++;
            }
            int leftEnd = endOfDigits(left, i);
            int rightEnd = endOfDigits(right, j);
            int difference = compareNumbers(left.substring(i, leftEnd), right.substring(j, rightEnd));
            if (difference != 0) {
                return difference;
            }
            i = leftEnd;
            j = rightEnd;
        }
        return 0;
    }

    private static boolean isDigit(String text, int at) {
        return at < text.length() && text.charAt(at) >= '0' && text.charAt(at) <= '9';
    }

    /// A tilde comes before the end, the end before letters, and letters before all else.
    private static int order(String text, int at) {
        if (at >= text.length() || isDigit(text, at)) {
            return 0;
        }
        char character = text.charAt(at);
        if (character == '~') {
            return -1;
        }
        return Character.isLetter(character) ? character : character + 256;
    }

    private static int endOfDigits(String text, int from) {
        int end = from;
        while (isDigit(text, end)) {
            end++;
        }
        return end;
    }

    /// Numbers may be longer than any type has room for.
    private static int compareNumbers(String left, String right) {
        String leftDigits = left.replaceFirst("^0+", "");
        String rightDigits = right.replaceFirst("^0+", "");
        int byLength = Integer.compare(leftDigits.length(), rightDigits.length());
        return byLength != 0 ? byLength : leftDigits.compareTo(rightDigits);
    }

    @Override
    public String toString() {
        return (epoch == 0 ? "" : epoch + ":") + upstream + (revision.isEmpty() ? "" : "-" + revision);
    }
}
