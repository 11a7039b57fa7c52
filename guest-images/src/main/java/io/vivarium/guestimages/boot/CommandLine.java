// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import java.nio.charset.StandardCharsets;
import java.util.ArrayList;
import java.util.List;

/// A kernel command line, in Linux's syntax (Documentation/admin-guide/kernel-parameters.txt).
public final class CommandLine {
    /// Bytes that Linux on x86 takes, the terminating zero included (`COMMAND_LINE_SIZE`, asm/setup.h).
    public static final int MAX_BYTES = 2048;

    private final List<String> words;

    private CommandLine(List<String> words) {
        this.words = words;
    }

    /// A command line of no words.
    public static CommandLine empty() {
        return new CommandLine(List.of());
    }

    /// This command line with another word.
    ///
    /// @param word `name` or `name=value`, printable ASCII without spaces
    /// @throws IllegalArgumentException if it is not, or the line becomes too long
    public CommandLine with(String word) {
        if (word.isEmpty() || !word.chars().allMatch(c -> c > ' ' && c < 0x7f)) {
            throw new IllegalArgumentException("not a word of a kernel command line: '" + word + "'");
        }
        List<String> more = new ArrayList<>(words);
        more.add(word);
        CommandLine line = new CommandLine(List.copyOf(more));
        if (line.bytes().length > MAX_BYTES) {
            throw new IllegalArgumentException("the kernel command line has more than " + MAX_BYTES + " bytes");
        }
        return line;
    }

    /// This command line with an option that has a value.
    public CommandLine with(String name, String value) {
        return with(name + '=' + value);
    }

    /// This command line with a virtio-mmio device of one 4 KiB window.
    ///
    /// @param base guest-physical address of its registers
    /// @param irq its interrupt line
    public CommandLine withVirtioMmio(long base, int irq) {
        return with("virtio_mmio.device", "4K@0x" + Long.toHexString(base) + ':' + irq);
    }

    /// The line with its terminating zero.
    public byte[] bytes() {
        return (this + "\0").getBytes(StandardCharsets.US_ASCII);
    }

    @Override
    public String toString() {
        return String.join(" ", words);
    }
}
