// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.json;

import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.Optional;

/// An object whose members are of known kinds. `null` stands for a member that is not there, as Go
/// programs write it.
///
/// @param path where the object is, for errors; empty for the outermost
/// @param object the object
public record JsonReader(String path, Json.Dictionary object) {
    /// An object without members.
    public static final Json.Dictionary EMPTY = new Json.Dictionary(Map.of());

    /// The object that a text stands for.
    ///
    /// @throws JsonException these are not the bytes of a JSON object
    public static JsonReader parse(byte[] bytes) throws JsonException {
        Json value = JsonParser.parse(bytes);
        if (value instanceof Json.Dictionary outermost) {
            return new JsonReader("", outermost);
        }
        throw new JsonException("JSON has " + value.kind() + " where an object should be");
    }

    private Optional<Json> member(String name) {
        return Optional.ofNullable(object.members().get(name)).filter((Json value) -> !(value instanceof Json.Null));
    }

    private JsonException wrong(String name, String expected, Json found) {
        return new JsonException(path + name + " is " + found.kind() + " instead of " + expected);
    }

    private JsonException missing(String name) {
        return new JsonException(path + name + " is missing");
    }

    /// A string, if it is there.
    public Optional<String> text(String name) throws JsonException {
        Optional<Json> member = member(name);
        if (member.isEmpty()) {
            return Optional.empty();
        }
        if (member.get() instanceof Json.Text(String value)) {
            return Optional.of(value);
        }
        throw wrong(name, "a string", member.get());
    }

    /// A string that must be there.
    public String requiredText(String name) throws JsonException {
        return text(name).orElseThrow(() -> missing(name));
    }

    /// A whole number that must be there, `0` or more.
    public long requiredSize(String name) throws JsonException {
        Json member = member(name).orElseThrow(() -> missing(name));
        if (!(member instanceof Json.Numeral number)) {
            throw wrong(name, "a number", member);
        }
        try {
            long value = number.value().longValueExact();
            if (value >= 0) {
                return value;
            }
        } catch (ArithmeticException e) {
            // Said below.
        }
        throw new JsonException(path + name + " is not a size");
    }

    /// An object, if it is there.
    public Optional<JsonReader> object(String name) throws JsonException {
        Optional<Json> member = member(name);
        return member.isEmpty() ? Optional.empty() : Optional.of(reader(name, member.get()));
    }

    /// An object that must be there.
    public JsonReader requiredObject(String name) throws JsonException {
        return object(name).orElseThrow(() -> missing(name));
    }

    private JsonReader reader(String name, Json value) throws JsonException {
        if (value instanceof Json.Dictionary child) {
            return new JsonReader(path + name + ".", child);
        }
        throw wrong(name, "an object", value);
    }

    private List<Json> elements(String name) throws JsonException {
        Optional<Json> member = member(name);
        if (member.isEmpty()) {
            return List.of();
        }
        if (member.get() instanceof Json.Array(List<Json> elements)) {
            return elements;
        }
        throw wrong(name, "an array", member.get());
    }

    /// An array of objects; empty if it is not there.
    public List<JsonReader> objects(String name) throws JsonException {
        List<JsonReader> readers = new ArrayList<>();
        for (Json element : elements(name)) {
            readers.add(reader(name + "[" + readers.size() + "]", element));
        }
        return readers;
    }

    /// An array of strings; empty if it is not there.
    public List<String> texts(String name) throws JsonException {
        List<String> texts = new ArrayList<>();
        for (Json element : elements(name)) {
            if (!(element instanceof Json.Text(String value))) {
                throw wrong(name + "[" + texts.size() + "]", "a string", element);
            }
            texts.add(value);
        }
        return texts;
    }

    /// The members that are strings, of an object that may be missing.
    public Map<String, String> textMembers(String name) throws JsonException {
        Map<String, String> texts = new LinkedHashMap<>();
        Optional<JsonReader> child = object(name);
        if (child.isPresent()) {
            child.get().object.members().forEach((String key, Json value) -> {
                if (value instanceof Json.Text(String content)) {
                    texts.put(key, content);
                }
            });
        }
        return texts;
    }
}
