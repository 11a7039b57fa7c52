// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.debian;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.Tool;
import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;
import java.util.Random;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;
import org.junit.jupiter.params.provider.ValueSource;

class DebianVersionTest {
    @ParameterizedTest
    @CsvSource({
        "1.0, <, 1.1",
        "1.9, <, 1.10",
        "1.0~rc1, <, 1.0",
        "1.0~~, <, 1.0~",
        "1.0, <, 1.0a",
        "1.0a, <, 1.0+",
        "1.0, =, 1.00",
        "1.0-1, >, 1.0",
        "1.0-0, =, 1.0",
        "1:0.1, >, 99",
        "0:1, =, 1",
        "1.0-1+b1, >, 1.0-1",
        "2.36-9+deb12u14, >, 2.36-9+deb12u9",
        "1-2-3, <, 1-2-4",
        "99999999999999999999999, <, 100000000000000000000000"
    })
    void order(String left, String sign, String right) throws DebianFormatException {
        int expected = sign.equals("<") ? -1 : sign.equals(">") ? 1 : 0;
        assertThat(Integer.signum(DebianVersion.parse(left).compareTo(DebianVersion.parse(right))))
                .isEqualTo(expected);
        assertThat(Integer.signum(DebianVersion.parse(right).compareTo(DebianVersion.parse(left))))
                .isEqualTo(-expected);
    }

    @ParameterizedTest
    @ValueSource(strings = {"", "a:1", ":1", "1-", "1.0_2", "1 2", "1(2)", "9999999999:1"})
    void mistakesAreNamed(String text) {
        assertThatThrownBy(() -> DebianVersion.parse(text)).hasMessage("'" + text + "' is not a version");
    }

    @Test
    void asDpkgComparesThem() throws Exception {
        Tool perl = Tool.required("perl", "perl");
        Tool.required("dpkg", "dpkg");
        Random random = new Random(1);
        List<String> versions = new ArrayList<>();
        for (int i = 0; i < 60; i++) {
            versions.add(randomVersion(random));
        }
        StringBuilder script = new StringBuilder("for my $p (");
        for (int i = 0; i + 1 < versions.size(); i++) {
            script.append("['")
                    .append(versions.get(i))
                    .append("','")
                    .append(versions.get(i + 1))
                    .append("'],");
        }
        script.append(") { print(system('dpkg','--compare-versions',$$p[0],'lt',$$p[1])==0 ? -1 : "
                + "system('dpkg','--compare-versions',$$p[0],'eq',$$p[1])==0 ? 0 : 1, qq(\\n)); }");
        List<String> expected = perl.run("-e", script).lines().toList();

        List<String> found = new ArrayList<>();
        for (int i = 0; i + 1 < versions.size(); i++) {
            found.add(String.valueOf(Integer.signum(
                    DebianVersion.parse(versions.get(i)).compareTo(DebianVersion.parse(versions.get(i + 1))))));
        }
        assertThat(found).isEqualTo(expected);
    }

    private static String randomVersion(Random random) {
        StringBuilder text = new StringBuilder(random.nextInt(4) == 0 ? "1:" : "").append(random.nextInt(3));
        for (int i = random.nextInt(5); i > 0; i--) {
            text.append(".+~ab019".charAt(random.nextInt(8)));
        }
        return text.append(random.nextBoolean() ? "-" + random.nextInt(12) : "").toString();
    }

    @FuzzTest
    void anyTwoAreInOneOrder(byte[] input) {
        String text = new String(input, StandardCharsets.ISO_8859_1);
        int middle = text.length() / 2;
        try {
            DebianVersion left = DebianVersion.parse(text.substring(0, middle));
            DebianVersion right = DebianVersion.parse(text.substring(middle));
            assertThat(Integer.signum(left.compareTo(right))).isEqualTo(-Integer.signum(right.compareTo(left)));
            assertThat(left.compareTo(DebianVersion.parse(text.substring(0, middle))))
                    .isZero();
        } catch (DebianFormatException e) {
            assertThat(e.reason()).endsWith("is not a version");
        }
    }
}
