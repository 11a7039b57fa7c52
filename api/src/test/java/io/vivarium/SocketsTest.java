// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.testing.EnabledIfKvm;
import java.io.IOException;
import java.nio.file.Path;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;
import org.junit.jupiter.params.ParameterizedTest;
import org.junit.jupiter.params.provider.ValueSource;

/// Sockets within a sandbox: unix(7), and tcp(7) and udp(7) over the loopback, answer as the host's do.
/// What is a sandbox's own - no network, bounded memory - is tested besides.
@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class SocketsTest {
    @TempDir
    private static Path root;

    private static ComparedPrograms programs;

    @BeforeAll
    static void compile() throws IOException, InterruptedException {
        programs = new ComparedPrograms(
                root,
                "unix_stream",
                "unix_datagram",
                "rights",
                "tcp",
                "udp",
                "socket_threads",
                "no_network",
                "socket_memory");
    }

    @AfterAll
    static void close() {
        programs.close();
    }

    @ParameterizedTest
    @ValueSource(strings = {"unix_stream", "unix_datagram", "rights", "tcp", "udp", "socket_threads"})
    void sameAsOnHost(String name) throws IOException, InterruptedException {
        programs.assertSame(name, "");
    }

    @Test
    void thereIsNoNetwork() {
        ExecResult result = programs.inSandbox("no_network", "");
        assertThat(result.stdout().text()).isEqualTo("""
                        netlink: EAFNOSUPPORT
                        packet: EAFNOSUPPORT
                        raw: EPERM
                        connect: ENETUNREACH
                        sendto: ENETUNREACH
                        connect IPv6: ENETUNREACH
                        lo is 1
                        """);
        assertThat(result.unsupported()).isEmpty();
    }

    /// What is sent and not read is bounded by a part of memory; descriptors on their way that nobody can
    /// reach are closed.
    @Test
    void memoryIsBounded() {
        ExecResult result = programs.inSandbox("socket_memory", "");
        assertThat(result.stdout().text()).isEqualTo("""
                        full: ENOBUFS
                        after closing: 1
                        on their way: ETOOMANYREFS
                        garbage collected: 2000
                        nested: 1
                        """);
        assertThat(result.exitCode()).isZero();
    }
}
