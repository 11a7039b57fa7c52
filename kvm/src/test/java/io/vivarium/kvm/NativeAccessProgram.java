// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm;

/// Prints what the probe finds; run in a JVM of its own.
public final class NativeAccessProgram {
    private NativeAccessProgram() {}

    public static void main(String[] arguments) {
        if (KvmProbe.probe() instanceof KvmProbe.NativeAccessDenied denied) {
            System.out.println(denied.reason());
        }
    }
}
