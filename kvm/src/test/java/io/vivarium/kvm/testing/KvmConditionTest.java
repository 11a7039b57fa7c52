// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.NoSuchFileException;
import java.nio.file.Path;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.extension.ConditionEvaluationResult;
import org.junit.jupiter.api.io.TempDir;

class KvmConditionTest {
    @TempDir
    Path directory;

    @Test
    void runsTheTestWhenTheDeviceOpens() throws IOException {
        Path device = Files.createFile(directory.resolve("kvm"));

        assertThat(new KvmCondition(device, false).evaluate().isDisabled()).isFalse();
    }

    @Test
    void skipsTheTestWithAReasonThatNamesTheDevice() {
        Path device = directory.resolve("kvm");

        ConditionEvaluationResult result = new KvmCondition(device, false).evaluate();

        assertThat(result.isDisabled()).isTrue();
        assertThat(result.getReason())
                .hasValueSatisfying(
                        reason -> assertThat(reason).startsWith("no KVM: ").contains(device.toString()));
    }

    @Test
    void createsNoDevice() {
        Path device = directory.resolve("kvm");

        new KvmCondition(device, false).evaluate();

        assertThat(device).doesNotExist();
    }

    @Test
    void failsTheTestUnderContinuousIntegration() {
        KvmCondition condition = new KvmCondition(directory.resolve("kvm"), true);

        assertThatThrownBy(condition::evaluate)
                .hasMessageContaining("CI=true")
                .hasCauseInstanceOf(NoSuchFileException.class);
    }
}
