// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import io.vivarium.kvm.KvmKind;
import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;

/// A test of what holds only where KVM runs guest kernels at CPL 0 ([KvmKind#NATIVE]): skipped, with the reason, on a
/// de-privileging one. Goes beside [EnabledIfKvm].
@Documented
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@EnabledIfKvmKind(KvmKind.NATIVE)
public @interface NativeKvmOnly {
    /// Why it cannot hold on the other kind: a line of docs/two-worlds.md.
    String value();
}
