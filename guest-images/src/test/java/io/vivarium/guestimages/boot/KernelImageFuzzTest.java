// SPDX-License-Identifier: Apache-2.0
package io.vivarium.guestimages.boot;

import static org.assertj.core.api.Assertions.assertThat;

import com.code_intelligence.jazzer.junit.FuzzTest;
import io.vivarium.guestimages.ImageException;
import io.vivarium.guestimages.Mutations;
import io.vivarium.guestimages.boot.KernelImage.Segment;
import java.lang.foreign.MemorySegment;
import org.junit.jupiter.api.Test;

/// Any bytes are a kernel that lies where it may, or are refused in words.
class KernelImageFuzzTest {
    @FuzzTest
    void parse(byte[] input) {
        try {
            KernelImage kernel = KernelImage.parse(MemorySegment.ofArray(input));
            long free = KernelImage.LOWEST_ADDRESS;
            boolean entered = false;
            for (Segment segment : kernel.segments()) {
                assertThat(segment.address()).isGreaterThanOrEqualTo(free);
                assertThat(segment.bytes().byteSize()).isLessThanOrEqualTo(segment.memorySize());
                free = segment.end();
                entered |= kernel.entry() >= segment.address() && kernel.entry() < free;
            }
            assertThat(entered).isTrue();
            assertThat(kernel.end()).isEqualTo(free);
            if (kernel.end() <= 4 << 20) {
                kernel.load(MemorySegment.ofArray(new byte[(int) kernel.end()]));
            }
        } catch (ImageException e) {
            assertThat(e.getMessage()).startsWith("kernel: ");
        }
    }

    @Test
    void damagedKernels() throws Exception {
        byte[] good = ElfBytes.kernel().array();
        Mutations.of(good, ElfBytes.HEADER_SIZE + 2 * ElfBytes.PROGRAM_HEADER_SIZE, 50_000, this::parse);
    }
}
