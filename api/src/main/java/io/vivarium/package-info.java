// SPDX-License-Identifier: Apache-2.0
/// Sandboxes: untrusted programs in microVMs.
///
/// ```java
/// try (Sandbox sandbox = Sandbox.launch(Image.directory(Path.of("rootfs")))) {
///     ExecResult result = sandbox.exec("/bin/busybox", "echo", "hello");
///     System.out.print(result.stdout());
/// }
/// ```
///
/// Calls block, can be interrupted, and are at home on virtual threads: none of them holds a thread in native code.
/// Errors are unchecked and descend from [SandboxException]; an exit code other than 0 is a result, not an error.
/// Nothing is open to a program but what its [Image] holds and what its [Command] gives it.
package io.vivarium;
