// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.kvm.internal.KvmConstant;
import io.vivarium.kvm.internal.KvmExit;
import io.vivarium.kvm.internal.KvmRequest;
import io.vivarium.kvm.internal.Syscalls;
import io.vivarium.kvm.x86.StructLayouts;
import java.io.IOException;
import java.lang.foreign.GroupLayout;
import java.lang.foreign.MemoryLayout;
import java.lang.foreign.PaddingLayout;
import java.lang.foreign.StructLayout;
import java.lang.reflect.Field;
import java.lang.reflect.Modifier;
import java.nio.charset.StandardCharsets;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Locale;
import java.util.Map;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.io.TempDir;

/// Every layout and every number that was taken from a kernel header, against the header itself: a C program prints
/// what the compiler makes of it.
class KernelHeaderTest {
    private static final String HEADERS = """
            #define _GNU_SOURCE
            #include <errno.h>
            #include <fcntl.h>
            #include <linux/if.h>
            #include <linux/if_tun.h>
            #include <linux/kvm.h>
            #include <poll.h>
            #include <signal.h>
            #include <stddef.h>
            #include <stdio.h>
            #include <sys/eventfd.h>
            #include <sys/mman.h>
            #include <sys/syscall.h>
            #include <unistd.h>
            """;

    private final Map<String, Long> ours = new LinkedHashMap<>();
    private final StringBuilder program = new StringBuilder(HEADERS + "int main(void) {\n");

    private void expect(String name, String expression, long value) {
        assertThat(ours.put(name, value)).as(name).isNull();
        program.append("printf(\"%s=%%lld\\n\", (long long) (%s));\n".formatted(name, expression));
    }

    private void expectStruct(StructLayout layout) {
        String struct = layout.name().orElseThrow();
        expect("sizeof " + struct, "sizeof(struct %s)".formatted(struct), layout.byteSize());
        expectFields(struct, "", layout, 0);
    }

    private void expectFields(String struct, String prefix, GroupLayout group, long base) {
        long offset = base;
        for (MemoryLayout member : group.memberLayouts()) {
            if (!(member instanceof PaddingLayout)) {
                String path = member.name().map(name -> prefix + name).orElse("");
                if (!path.isEmpty()) {
                    expect(struct + "." + path, "offsetof(struct %s, %s)".formatted(struct, path), offset);
                    expect(
                            "sizeof " + struct + "." + path,
                            "sizeof(((struct %s *) 0)->%s)".formatted(struct, path),
                            member instanceof GroupLayout nested ? sizeWithTail(nested) : member.byteSize());
                }
                if (member instanceof GroupLayout nested && !struct.equals("kvm_sync_regs")) {
                    expectFields(struct, path.isEmpty() ? prefix : path + ".", nested, offset);
                }
            }
            if (group instanceof StructLayout) {
                offset += member.byteSize();
            }
        }
    }

    private static long sizeWithTail(GroupLayout layout) {
        long alignment = layout.byteAlignment();
        return (layout.byteSize() + alignment - 1) / alignment * alignment;
    }

    private void expectConstants(Class<?> constants, String prefixInC) throws IllegalAccessException {
        for (Field field : constants.getDeclaredFields()) {
            if (Modifier.isStatic(field.getModifiers())
                    && Modifier.isFinal(field.getModifiers())
                    && field.getType().isPrimitive()) {
                field.setAccessible(true);
                String name = field.getName();
                long value = ((Number) field.get(null)).longValue();
                if (name.startsWith("NR_")) {
                    expect(name, "SYS_" + name.substring(3).toLowerCase(Locale.ROOT), value);
                } else if (name.matches(prefixInC)) {
                    expect(name, name, value);
                }
            }
        }
    }

    @Test
    void layoutsAndNumbersAreThoseOfTheHeaders(@TempDir Path folder) throws Exception {
        assumeTrue(hasCompiler(), "no gcc: install it to compare with linux/kvm.h");
        StructLayouts.all().forEach(this::expectStruct);
        expectStruct(KvmRun.LAYOUT);
        expectStruct(Vm.MEMORY_REGION);
        expectStruct(Vm.IOEVENTFD);
        expectStruct(Vm.IRQFD);
        expectStruct(Vcpu.TRANSLATION);
        expect("kvm_signal_mask.len", "offsetof(struct kvm_signal_mask, len)", 0);
        expect("kvm_signal_mask.sigset", "offsetof(struct kvm_signal_mask, sigset)", 4);
        expectConstants(KvmRequest.class, "KVM_.*");
        expectConstants(KvmExit.class, "KVM_.*");
        expectConstants(KvmConstant.class, "KVM_.*");
        expectConstants(Syscalls.class, "(POLLIN|(O|SEEK|PROT|MAP|MADV|F|MFD|EFD|SIG|AT)_.*)");
        expectConstants(RunSection.class, "SIGURG");
        expectConstants(Tap.class, "TUNSETIFF|IFF_.*|IFNAMSIZ");
        for (Capability capability : Capability.values()) {
            expect(capability.symbol(), capability.symbol(), capability.number());
        }
        for (Field field : Errno.class.getDeclaredFields()) {
            if (field.getType() == Errno.class) {
                expect(field.getName(), field.getName(), ((Errno) field.get(null)).value());
            }
        }
        program.append("return 0; }\n");

        Map<String, Long> theirs = compileAndRun(folder, program.toString());
        List<String> differences = new ArrayList<>();
        ours.forEach((name, value) -> {
            Long header = theirs.get(name);
            if (!value.equals(header)) {
                differences.add("%s: %d here, %s in the header".formatted(name, value, header));
            }
        });
        assertThat(differences).isEmpty();
        assertThat(theirs).hasSameSizeAs(ours);
        assertThat(ours).hasSizeGreaterThan(400);
    }

    @Test
    void errnosHaveTheNamesOfTheHeader(@TempDir Path folder) throws Exception {
        assumeTrue(hasCompiler(), "no gcc: install it to compare with errno.h");
        StringBuilder text = new StringBuilder(HEADERS + "#include <string.h>\nint main(void) {\n");
        text.append("for (int i = 1; i < 140; i++) { const char *n = strerrorname_np(i);\n");
        text.append("if (n) printf(\"%s=%d\\n\", n, i); } return 0; }\n");
        Map<String, Long> names = compileAndRun(folder, text.toString());
        assertThat(names).hasSizeGreaterThan(130);
        names.forEach((name, value) ->
                assertThat(new Errno(value.intValue()).symbol()).isEqualTo(name));
        assertThat(new Errno(4711)).hasToString("errno 4711");
    }

    private static boolean hasCompiler() throws InterruptedException {
        try {
            return new ProcessBuilder("gcc", "--version")
                            .redirectErrorStream(true)
                            .redirectOutput(ProcessBuilder.Redirect.DISCARD)
                            .start()
                            .waitFor()
                    == 0;
        } catch (IOException e) {
            return false;
        }
    }

    private static Map<String, Long> compileAndRun(Path folder, String source) throws Exception {
        Path file = folder.resolve("header.c");
        Path binary = folder.resolve("header");
        Files.writeString(file, source);
        assertThat(run("gcc", "-o", binary.toString(), file.toString())).isEmpty();
        Map<String, Long> values = new LinkedHashMap<>();
        for (String line : run(binary.toString()).lines().toList()) {
            int equals = line.lastIndexOf('=');
            values.put(line.substring(0, equals), Long.parseLong(line.substring(equals + 1)));
        }
        return values;
    }

    private static String run(String... command) throws Exception {
        Process process = new ProcessBuilder(command).redirectErrorStream(true).start();
        String output = new String(process.getInputStream().readAllBytes(), StandardCharsets.UTF_8);
        assertThat(process.waitFor()).as(output).isZero();
        return output;
    }
}
