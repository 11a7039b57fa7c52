// SPDX-License-Identifier: Apache-2.0
package io.vivarium.virtio;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatIllegalArgumentException;

import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

final class MacAddressTest {
    @Test
    void isReadAndWritten() {
        MacAddress mac = MacAddress.parse("52:54:00:12:AB:fe");
        assertThat(mac.bits()).isEqualTo(0x5254_0012_abfeL);
        assertThat(mac).hasToString("52:54:00:12:ab:fe");
        assertThat(mac.octet(0)).isEqualTo(0x52);
        assertThat(mac.octet(5)).isEqualTo(0xfe);
    }

    @ParameterizedTest
    @ValueSource(
            strings = {
                "",
                "52:54:00:12:ab",
                "52:54:00:12:ab:fe:00",
                "52:54:00:12:ab:f",
                "52-54-00-12-ab-fe",
                "00:00:00:00:00:00",
                "01:00:5e:00:00:01",
                "ff:ff:ff:ff:ff:ff"
            })
    void whatIsNoStationsAddressIsRefused(String text) {
        assertThatIllegalArgumentException().isThrownBy(() -> MacAddress.parse(text));
    }
}
