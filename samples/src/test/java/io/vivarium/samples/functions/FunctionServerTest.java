// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import static org.assertj.core.api.Assertions.assertThat;
import static org.junit.jupiter.api.Assumptions.assumeTrue;

import io.vivarium.Image;
import io.vivarium.Memory;
import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import io.vivarium.samples.Busybox;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.file.Files;
import java.nio.file.Path;
import java.time.Duration;
import java.util.ArrayList;
import java.util.List;
import java.util.Set;
import java.util.concurrent.CompletableFuture;
import java.util.stream.Stream;
import org.jspecify.annotations.Nullable;
import org.junit.jupiter.api.AfterAll;
import org.junit.jupiter.api.BeforeAll;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;
import org.junit.jupiter.api.io.TempDir;

@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class FunctionServerTest {
    private static final FunctionServer.Options OPTIONS = new FunctionServer.Options(
            2,
            Duration.ofMinutes(4),
            new Limits(Duration.ofMinutes(2), 100_000),
            Memory.mebibytes(128),
            Memory.mebibytes(256),
            4 << 20);

    @TempDir
    private static Path root;

    private static Set<Language> languages;
    private static @Nullable FunctionServer server;
    private static HttpClient client;
    private static URI address;

    @BeforeAll
    static void serve() throws IOException, InterruptedException {
        assumeTrue(
                Stream.of(Language.values()).anyMatch(each -> Files.exists(each.interpreter())) && Busybox.isThere(),
                "no interpreter is on this host, or no static busybox");
        languages = GuestRoot.fill(root);
        server = new FunctionServer(
                Image.directory(root), languages, new InetSocketAddress(InetAddress.getLoopbackAddress(), 0), OPTIONS);
        address = URI.create("http:/" + server.address());
        client = HttpClient.newHttpClient();
    }

    @AfterAll
    static void close() {
        if (server != null) {
            client.close();
            server.close();
        }
    }

    private static void needs(Language language) {
        assumeTrue(languages.contains(language), language.interpreter() + " is not on this host");
    }

    private static HttpRequest request(String method, String path, String body) {
        return HttpRequest.newBuilder(address.resolve(path))
                .method(method, BodyPublishers.ofString(body))
                .build();
    }

    private static HttpResponse<String> send(String method, String path, String body)
            throws IOException, InterruptedException {
        return client.send(request(method, path, body), BodyHandlers.ofString());
    }

    private static String call(String method, String path, String body) throws IOException, InterruptedException {
        HttpResponse<String> answer = send(method, path, body);
        return answer.statusCode() + " " + answer.body();
    }

    @Test
    void everyCallIsTheFirst() throws Exception {
        needs(Language.SH);
        assertThat(call("PUT", "/functions/count?language=sh", "read n; echo x >> /n; echo $n $(cat /n)"))
                .isEqualTo("201 count: sh, 128 MiB\n");
        List<CompletableFuture<HttpResponse<String>>> answers = new ArrayList<>();
        for (int i = 0; i < Effort.times(40); i++) {
            answers.add(client.sendAsync(request("POST", "/functions/count", i + "\n"), BodyHandlers.ofString()));
        }
        for (int i = 0; i < answers.size(); i++) {
            assertThat(answers.get(i).get().body()).isEqualTo("%d x\n", i);
        }
        assertThat(call("GET", "/functions", "")).contains("count sh 128 MiB\n");
        assertThat(call("DELETE", "/functions/count", "")).isEqualTo("200 removed count\n");
        assertThat(call("POST", "/functions/count", "")).isEqualTo("404 no function count\n");
    }

    @Test
    void pythonIsWarm() throws Exception {
        needs(Language.PYTHON3);
        assertThat(call("PUT", "/functions/sum", "import json, sys; print(sum(json.load(sys.stdin)))"))
                .startsWith("201");
        assertThat(call("POST", "/functions/sum", "[1, 2, 39]")).isEqualTo("200 42\n");
        assertThat(call("POST", "/run/python3", "print('ä' * 3)")).isEqualTo("200 äää\n");
        assertThat(call("POST", "/run/python3", "def f():\n  return 1 / 0\nf()"))
                .startsWith("500 exit code 1\nTraceback")
                .contains("function.py\", line 2, in f", "ZeroDivisionError")
                .doesNotContain("worker.py");
        assertThat(call("POST", "/run/python3", "import sys; sys.exit(3)")).isEqualTo("500 exit code 3\n");
    }

    @Test
    void nodeIsWarm() throws Exception {
        needs(Language.NODE);
        String source =
                "const input = require('fs').readFileSync(0, 'utf8'); console.log(input.toUpperCase() + __filename)";
        assertThat(call("PUT", "/functions/upper?language=node&memory=256", source))
                .startsWith("201");
        assertThat(call("POST", "/functions/upper", "hello ")).isEqualTo("200 HELLO function.js\n");
        assertThat(call("POST", "/run/node?memory=256", "throw new Error('mine')"))
                .startsWith("500 exit code 1\n")
                .contains("Error: mine");
    }

    @Test
    void programsRun() throws Exception {
        needs(Language.PROGRAM);
        HttpRequest put = HttpRequest.newBuilder(address.resolve("/functions/busybox?language=program"))
                .PUT(BodyPublishers.ofFile(Path.of("/bin/busybox")))
                .build();
        assertThat(client.send(put, BodyHandlers.ofString()).statusCode()).isEqualTo(201);
        assertThat(call("POST", "/functions/busybox", ""))
                .startsWith("500 exit code 127\n")
                .contains("applet not found");
        assertThat(call("POST", "/run/program", "#!/bin/sh\necho $((6 * 7))\n")).isEqualTo("200 42\n");
    }

    @Test
    void limitsHold() throws Exception {
        needs(Language.SH);
        assertThat(call("POST", "/run/sh?timeout=300", "while :; do :; done"))
                .isEqualTo("504 still running after 300 ms\n");
        assertThat(call("POST", "/run/sh?output=1000", "yes")).isEqualTo("507 more than 1000 bytes of output\n");
        assertThat(call("POST", "/run/sh?output=1000", "yes >&2")).isEqualTo("507 more than 1000 bytes of output\n");
        assertThat(call("POST", "/run/sh?memory=32", "dd if=/dev/zero of=/f bs=1M count=100 && ls -s /f"))
                .startsWith("500 ");
        assertThat(call("POST", "/run/sh?memory=256", "dd if=/dev/zero of=/f bs=1M count=100 && du -m /f"))
                .startsWith("200 100");
        assertThat(call("POST", "/run/sh", "kill -9 $$")).startsWith("500 ").contains("SIGKILL");
        assertThat(call("POST", "/run/sh", "echo on")).isEqualTo("200 on\n");
    }

    @Test
    void whatCannotBeMetIsRefused() throws Exception {
        assertThat(call("POST", "/run/cobol", "")).isEqualTo("400 no language cobol: python3, node, sh, program\n");
        assertThat(call("POST", "/run/sh?timeout=0", "")).isEqualTo("400 timeout=0 is not in 1 … 120000\n");
        assertThat(call("POST", "/run/sh?timeout=x", "")).isEqualTo("400 timeout=x is not in 1 … 120000\n");
        assertThat(call("POST", "/run/sh?memory=1", "")).isEqualTo("400 memory=1 is not in 32 … 256\n");
        assertThat(call("POST", "/run/sh?memory=33", "")).isEqualTo("400 memory is an even number of MiB\n");
        assertThat(call("POST", "/run/sh?a&b", "")).startsWith("400 not NAME=VALUE");
        assertThat(call("GET", "/run/sh", "")).isEqualTo("405 POST /run/sh\n");
        assertThat(call("PUT", "/functions/..", "")).startsWith("404 a function's name is");
        assertThat(call("PATCH", "/functions/a", "")).startsWith("405");
        assertThat(call("POST", "/functions/nobody", "")).isEqualTo("404 no function nobody\n");
        assertThat(call("POST", "/run/sh", "x".repeat((4 << 20) + 1))).startsWith("413");
    }

    @Test
    void metricsCount() throws Exception {
        needs(Language.SH);
        assertThat(call("POST", "/run/sh?memory=64", "echo 1")).isEqualTo("200 1\n");
        assertThat(call("POST", "/run/sh?memory=64", "exit 1")).startsWith("500");
        String text = send("GET", "/metrics", "").body();
        assertThat(text)
                .contains("# TYPE vivarium_calls_total counter\n")
                .containsPattern("vivarium_calls_total\\{language=\"sh\",outcome=\"failed\"} [1-9]")
                .containsPattern("vivarium_call_seconds_bucket\\{language=\"sh\",le=\"\\+Inf\"} [1-9]")
                .contains("vivarium_pool_launches_total{language=\"sh\",memory=\"67108864\"} ");
        // Each line is a comment or a sample of the format.
        assertThat(text.lines())
                .allMatch(line -> line.matches("# (HELP|TYPE) .+|[a-z_]+\\{([a-z]+=\"[^\"]*\",?)+} [0-9.E+-]+"));
    }

    @Test
    void theLoadTestChecksItsAnswers() throws Exception {
        needs(Language.PYTHON3);
        Load.Report report = Load.run(address, Duration.ofSeconds(1), 4);
        assertThat(report.wrong()).isZero();
        assertThat(report.answers()).isPositive();
        assertThat(report.toString()).contains("requests/s", "p99");
        assertThat(Files.exists(root.resolve("workers/worker.py"))).isTrue();
    }
}
