// SPDX-License-Identifier: Apache-2.0
package io.vivarium;

import static org.assertj.core.api.Assertions.assertThat;
import static org.assertj.core.api.Assertions.assertThatThrownBy;

import io.vivarium.kvm.testing.Effort;
import io.vivarium.kvm.testing.EnabledIfKvm;
import java.util.ArrayList;
import java.util.List;
import org.junit.jupiter.api.Tag;
import org.junit.jupiter.api.Test;
import org.junit.jupiter.api.Timeout;

@Tag("machine")
@EnabledIfKvm
@Timeout(300)
class TemplateTest {
    private static final SandboxSpec SPEC = SandboxSpec.of(RealPrograms.IMAGE).withMemory(Memory.mebibytes(64));

    private static String sh(Sandbox sandbox, String script) {
        return sandbox.exec("/bin/busybox", "sh", "-c", script).stdout().text();
    }

    @Test
    void whatTheWorkHasLeftIsInEverySandboxAndChangesStayInOne() {
        try (Template template = Template.of(SPEC).warmUp(sandbox -> sh(sandbox, "echo 1 > /n"))) {
            for (int i = 0; i < 3; i++) {
                try (Sandbox sandbox = template.launch()) {
                    assertThat(sh(sandbox, "busybox cat /n; echo 2 >> /n")).isEqualTo("1\n");
                    assertThat(sh(sandbox, "busybox cat /n")).isEqualTo("1\n2\n");
                }
            }
            assertThat(template.size().bytes()).isPositive();
        }
    }

    @Test
    void aWarmTemplateCanBeWarmedFurther() {
        try (Template first = Template.of(SPEC).warmUp(sandbox -> sh(sandbox, "echo a > /n"));
                Template second = first.warmUp(sandbox -> sh(sandbox, "echo b >> /n"));
                Sandbox sandbox = second.launch();
                Sandbox older = first.launch()) {
            assertThat(sh(sandbox, "busybox cat /n")).isEqualTo("a\nb\n");
            assertThat(sh(older, "busybox cat /n")).isEqualTo("a\n");
        }
    }

    /// The machine is saved in the middle of what its descendants do: compute, sleep, and talk
    /// through a pipe.
    @Test
    void backgroundProcessesGoOnFromWhereTheyWere() {
        String work = """
                busybox mkfifo /p
                (i=0; while :; do i=$((i+1)); echo $i; done > /p) > /dev/null 2>&1 &
                (while read n; do echo $n > /n; done < /p) > /dev/null 2>&1 &
                (while :; do busybox sleep 0.01; echo t >> /ticks; done) > /dev/null 2>&1 &
                while [ ! -s /n ] || [ ! -s /ticks ]; do :; done
                """;
        for (int i = 0; i < Effort.times(5); i++) {
            try (Template template = Template.of(SPEC).warmUp(sandbox -> sh(sandbox, work));
                    Sandbox sandbox = template.launch();
                    Sandbox other = template.launch()) {
                for (Sandbox each : List.of(sandbox, other)) {
                    assertThat(sh(each, """
                                    a=$(busybox wc -l < /ticks); b=$(busybox cat /n)
                                    while [ $(busybox wc -l < /ticks) -le $((a+1)) ]; do :; done
                                    while n=$(busybox cat /n); [ "${n:-0}" -le "${b:-0}" ]; do :; done
                                    echo on
                                    """)).isEqualTo("on\n");
                }
            }
        }
    }

    @Test
    void aProgramThatRunsIsInTheWay() {
        List<GuestProcess> left = new ArrayList<>();
        assertThatThrownBy(() ->
                        Template.of(SPEC).warmUp(sandbox -> left.add(sandbox.start("/bin/busybox", "sleep", "1000"))))
                .isInstanceOf(IllegalStateException.class)
                .hasMessageContaining("1 of it run");
        left.forEach(GuestProcess::close);
    }

    @Test
    void whatTheWorkThrowsIsThrown() {
        assertThatThrownBy(() -> Template.of(SPEC).warmUp(sandbox -> {
                    throw new IllegalArgumentException("mine");
                }))
                .hasMessage("mine");
    }

    @Test
    void aClosedTemplateStartsNothing() {
        Template template = Template.of(SPEC).warmUp(sandbox -> sh(sandbox, "echo"));
        Sandbox before = template.launch();
        template.close();
        template.close();
        assertThatThrownBy(template::launch).isInstanceOf(IllegalStateException.class);
        assertThat(sh(before, "echo on")).isEqualTo("on\n");
        before.close();
    }
}
