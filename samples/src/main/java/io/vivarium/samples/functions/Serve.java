// SPDX-License-Identifier: Apache-2.0
package io.vivarium.samples.functions;

import io.vivarium.Host;
import io.vivarium.Image;
import io.vivarium.SandboxException;
import io.vivarium.samples.TemporaryDirectory;
import java.io.IOException;
import java.net.InetAddress;
import java.net.InetSocketAddress;
import java.util.Set;
import java.util.concurrent.CountDownLatch;
import java.util.stream.Collectors;

/// The server as a program: `samples/functions/serve`.
public final class Serve {
    private static final String DEFAULT_PORT = "8080";

    private Serve() {}

    /// Serves on this host's loopback address until it is killed.
    ///
    /// @param args the port; may be left out
    public static void main(String[] args) throws IOException, InterruptedException {
        int port = Integer.parseInt(args.length > 0 ? args[0] : DEFAULT_PORT);
        try (FunctionServer server = start(port)) {
            System.out.println("http:/" + server.address());
            new CountDownLatch(1).await();
        } catch (SandboxException e) {
            System.err.println("functions: " + e.getMessage());
            System.exit(1);
        }
    }

    /// Starts one with the interpreters of this host.
    ///
    /// @param port 0 for one that is free
    static FunctionServer start(int port) throws IOException, InterruptedException {
        if (Host.probe() instanceof Host.Unavailable unavailable) {
            throw new SandboxException(unavailable.reason() + ". " + unavailable.remedy());
        }
        try (TemporaryDirectory root = TemporaryDirectory.create()) {
            Set<Language> languages = GuestRoot.fill(root.path());
            System.out.println(
                    "languages: " + languages.stream().map(Language::label).collect(Collectors.joining(", ")));
            return new FunctionServer(
                    Image.directory(root.path()),
                    languages,
                    new InetSocketAddress(InetAddress.getLoopbackAddress(), port),
                    FunctionServer.Options.DEFAULT);
        }
    }
}
