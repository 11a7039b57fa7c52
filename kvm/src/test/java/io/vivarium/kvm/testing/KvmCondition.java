// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import java.io.IOException;
import java.nio.channels.FileChannel;
import java.nio.file.Path;
import java.nio.file.StandardOpenOption;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;

/// Opens the device rather than looking at it: `/proc/cpuinfo` and file modes do not say whether KVM works here.
final class KvmCondition implements ExecutionCondition {
    /// How every skip starts; the build counts the skipped tests by it.
    static final String SKIPPED = "no KVM: ";

    private final Path device;
    private final boolean required;

    KvmCondition() {
        this(Path.of("/dev/kvm"), "true".equals(System.getenv("CI")));
    }

    KvmCondition(Path device, boolean required) {
        this.device = device;
        this.required = required;
    }

    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        return evaluate();
    }

    ConditionEvaluationResult evaluate() {
        try (FileChannel _ = FileChannel.open(device, StandardOpenOption.READ, StandardOpenOption.WRITE)) {
            return ConditionEvaluationResult.enabled(device + " opens");
        } catch (IOException e) {
            if (required) {
                throw new IllegalStateException("CI=true, so KVM must work here, but " + device + " does not open", e);
            }
            return ConditionEvaluationResult.disabled(SKIPPED + e);
        }
    }
}
