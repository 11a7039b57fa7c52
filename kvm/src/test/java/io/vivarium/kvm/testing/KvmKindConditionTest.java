// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import static org.assertj.core.api.Assertions.assertThat;

import io.vivarium.kvm.Kvm;
import io.vivarium.kvm.KvmKind;
import io.vivarium.kvm.KvmProbe;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;

class KvmKindConditionTest {
    @Test
    void skipsOnTheOtherKindWithTheReason() {
        ConditionEvaluationResult result =
                KvmKindCondition.evaluate(new KvmProbe.Ready(KvmKind.NATIVE), KvmKind.DEPRIVILEGING, "because");

        assertThat(result.isDisabled()).isTrue();
        assertThat(result.getReason())
                .hasValueSatisfying(
                        reason -> assertThat(reason).contains("NATIVE").endsWith("because"));
    }

    @Test
    void runsOnItsKind() {
        for (KvmKind kind : KvmKind.values()) {
            assertThat(KvmKindCondition.evaluate(new KvmProbe.Ready(kind), kind, "")
                            .isDisabled())
                    .isFalse();
        }
    }

    @Test
    void leavesTheVerdictToTheOtherConditionWithoutKvm() {
        assertThat(KvmKindCondition.evaluate(new KvmProbe.Missing("kvm"), KvmKind.NATIVE, "")
                        .isDisabled())
                .isFalse();
    }

    @Test
    @Tag("machine")
    @Tag("smoke")
    @EnabledIfKvm
    @NativeKvmOnly("it tests this annotation")
    void nativeOnly() {
        try (Kvm kvm = Kvm.open()) {
            assertThat(kvm.kind()).isEqualTo(KvmKind.NATIVE);
        }
    }

    @Test
    @Tag("machine")
    @Tag("smoke")
    @EnabledIfKvm
    @DeprivilegingKvmOnly("it tests this annotation")
    void deprivilegingOnly() {
        try (Kvm kvm = Kvm.open()) {
            assertThat(kvm.kind()).isEqualTo(KvmKind.DEPRIVILEGING);
        }
    }
}
