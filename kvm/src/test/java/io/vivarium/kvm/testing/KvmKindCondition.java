// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import io.vivarium.kvm.KvmKind;
import io.vivarium.kvm.KvmProbe;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.extension.ExecutionCondition;
import org.junit.jupiter.api.extension.ExtensionContext;
import org.junit.platform.commons.support.AnnotationSupport;

/// Compares the kind of KVM here with the one a test is for. Where there is no KVM, [KvmCondition] has the say.
final class KvmKindCondition implements ExecutionCondition {
    @Override
    public ConditionEvaluationResult evaluateExecutionCondition(ExtensionContext context) {
        KvmKind wanted = AnnotationSupport.findAnnotation(context.getElement(), EnabledIfKvmKind.class)
                .orElseThrow()
                .value();
        String reason = AnnotationSupport.findAnnotation(context.getElement(), NativeKvmOnly.class)
                .map(NativeKvmOnly::value)
                .or(() -> AnnotationSupport.findAnnotation(context.getElement(), DeprivilegingKvmOnly.class)
                        .map(DeprivilegingKvmOnly::value))
                .orElseThrow();
        return evaluate(KvmProbe.probe(), wanted, reason);
    }

    static ConditionEvaluationResult evaluate(KvmProbe probe, KvmKind wanted, String reason) {
        if (!(probe instanceof KvmProbe.Ready ready)) {
            return ConditionEvaluationResult.enabled("no KVM to judge by");
        }
        return ready.kind() == wanted
                ? ConditionEvaluationResult.enabled("KVM here is " + wanted)
                : ConditionEvaluationResult.disabled("KVM here is " + ready.kind() + ", not " + wanted + ": " + reason);
    }
}
