// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import io.vivarium.kvm.KvmKind;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/// What [NativeKvmOnly] and [DeprivilegingKvmOnly] have in common.
@Target(ElementType.ANNOTATION_TYPE)
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(KvmKindCondition.class)
@interface EnabledIfKvmKind {
    KvmKind value();
}
