// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.json;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import com.code_intelligence.jazzer.junit.FuzzTest;
import java.math.BigDecimal;
import java.nio.charset.StandardCharsets;
import java.util.List;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.CsvSource;

class JsonParserTest {
    private static Json parse(String text) throws JsonException {
        return JsonParser.parse(text.getBytes(StandardCharsets.UTF_8));
    }

    @Test
    void everyKind() throws JsonException {
        assertThat(parse(" {\"a\" : [1, -2.5e3, true, false, null, \"x\\n\\u00e9\\\\\"], \"b\":{}}\n"))
                .isEqualTo(new Json.Dictionary(Map.of(
                        "a",
                        new Json.Array(List.of(
                                new Json.Numeral(BigDecimal.ONE),
                                new Json.Numeral(new BigDecimal("-2.5e3")),
                                new Json.Flag(true),
                                new Json.Flag(false),
                                new Json.Null(),
                                new Json.Text("x\né\\"))),
                        "b",
                        new Json.Dictionary(Map.of()))));
    }

    @ParameterizedTest
    @CsvSource(
            delimiter = '|',
            quoteCharacter = '`',
            value = {
                "``| not JSON: the end instead of a value at character 0",
                "{\"a\":1| not JSON: the end instead of '}' at character 6",
                "{a:1}| not JSON: 'a' instead of a name at character 1",
                "[1,]| not JSON: ']' instead of a value at character 3",
                "[1] x| not JSON: 'x' instead of the end at character 4",
                "01| not JSON: '1' instead of the end at character 1",
                "1.| not JSON: the end instead of a value at character 2",
                "1e9999999999| JSON has a number whose exponent is too large at character 0",
                "tru| not JSON: 't' instead of a value at character 0",
                "\"\\x\"| not JSON: 'x' instead of an escape at character 2",
                "\"\\u00g0\"| not JSON: 'g' instead of a hexadecimal digit at character 5",
                "\"open| not JSON: the end instead of the rest of a string at character 5",
                "{\"a\":1,\"a\":2}| JSON has 'a' twice in one object",
                "// no| not JSON: '/' instead of a value at character 0",
            })
    void mistakesAreNamed(String text, String message) {
        assertThatThrownBy(() -> parse(text)).isInstanceOf(JsonException.class).hasMessage(message);
    }

    @Test
    void depthIsBounded() {
        assertThatThrownBy(() -> parse("[".repeat(100_000))).hasMessage("JSON is nested deeper than 64");
    }

    @Test
    void onlyUtf8() {
        assertThatThrownBy(() -> JsonParser.parse(new byte[] {'"', (byte) 0xFF, '"'}))
                .hasMessage("not JSON: it is not UTF-8");
    }

    @FuzzTest
    void anyBytesAreJsonOrRefused(byte[] input) {
        try {
            assertThat(JsonParser.parse(input).kind()).isNotEmpty();
        } catch (JsonException e) {
            assertThat(e.reason()).isNotEmpty();
        }
    }
}
