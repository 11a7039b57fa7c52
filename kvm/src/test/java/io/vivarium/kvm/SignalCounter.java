// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

import java.lang.reflect.Proxy;
import java.util.concurrent.atomic.AtomicInteger;

/// Counts the signals of one kind that reach a thread of this process which does not block them.
///
/// By reflection, because `sun.misc.Signal` is in a module that nothing here requires.
final class SignalCounter {
    private SignalCounter() {}

    /// Installs a handler of the JVM's, until it ends.
    ///
    /// @param name without `SIG`
    static AtomicInteger of(String name) {
        try {
            AtomicInteger arrived = new AtomicInteger();
            Class<?> signal = Class.forName("sun.misc.Signal");
            Class<?> handler = Class.forName("sun.misc.SignalHandler");
            Object counting =
                    Proxy.newProxyInstance(handler.getClassLoader(), new Class<?>[] {handler}, (_, method, _) -> {
                        if (method.getReturnType() == void.class) {
                            arrived.incrementAndGet();
                            return null;
                        }
                        throw new UnsupportedOperationException(method.toString());
                    });
            signal.getMethod("handle", signal, handler)
                    .invoke(null, signal.getConstructor(String.class).newInstance(name), counting);
            return arrived;
        } catch (ReflectiveOperationException e) {
            throw new LinkageError("jdk.unsupported is not in the module graph", e);
        }
    }
}
