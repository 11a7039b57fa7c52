// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.json;

import java.math.BigDecimal;
import java.util.Collections;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;

/// A JSON value.
public sealed interface Json {
    /// What the value is, for errors.
    String kind();

    /// A string.
    record Text(String value) implements Json {
        @Override
        public String kind() {
            return "a string";
        }
    }

    /// A number.
    record Numeral(BigDecimal value) implements Json {
        @Override
        public String kind() {
            return "a number";
        }
    }

    /// `true` or `false`.
    record Flag(boolean value) implements Json {
        @Override
        public String kind() {
            return "a boolean";
        }
    }

    /// `null`.
    record Null() implements Json {
        @Override
        public String kind() {
            return "null";
        }
    }

    /// An array.
    record Array(List<Json> elements) implements Json {
        /// Copies the list.
        public Array {
            elements = List.copyOf(elements);
        }

        @Override
        public String kind() {
            return "an array";
        }
    }

    /// An object; its members stay in their order.
    record Dictionary(Map<String, Json> members) implements Json {
        /// Copies the map.
        public Dictionary {
            members = Collections.unmodifiableMap(new LinkedHashMap<>(members));
        }

        @Override
        public String kind() {
            return "an object";
        }
    }
}
