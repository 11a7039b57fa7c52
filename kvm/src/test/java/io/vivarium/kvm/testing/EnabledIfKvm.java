// SPDX-License-Identifier: Apache-2.0
package io.vivarium.kvm.testing;

import java.lang.annotation.Documented;
import java.lang.annotation.ElementType;
import java.lang.annotation.Inherited;
import java.lang.annotation.Retention;
import java.lang.annotation.RetentionPolicy;
import java.lang.annotation.Target;
import org.junit.jupiter.api.extension.ExtendWith;

/// A test, or a class of tests, that runs a virtual machine: skipped, visibly, where this process cannot open
/// `/dev/kvm` for reading and writing. Under continuous integration (`CI=true`) it fails there instead.
@Documented
@Inherited
@Target({ElementType.TYPE, ElementType.METHOD})
@Retention(RetentionPolicy.RUNTIME)
@ExtendWith(KvmCondition.class)
public @interface EnabledIfKvm {}
