// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import jdk.jfr.Category;
import jdk.jfr.Description;
import jdk.jfr.Event;
import jdk.jfr.Label;
import jdk.jfr.Name;
import jdk.jfr.StackTrace;

/// A machine that was put back.
@Name("io.vivarium.Reset")
@Label("Reset")
@Category("Vivarium")
@Description("A pool's machine was put back to its template; its next guest is not greeted yet")
@StackTrace(false)
final class ResetEvent extends Event {}
