// SPDX-License-Identifier: Apache-2.0
package io.vivarium.internal;

import io.vivarium.Command;

/// A program of a saved guest that goes on in every guest made from it, and what the host knew of it.
///
/// @param id its number on the agent's connection, which it keeps
/// @param pid inside the guest
/// @param stdinCredit bytes of standard input that it may still be sent
/// @param stdinEnded whether it has been told that no more of them come
record SavedProcess(
        Command command,
        int id,
        int pid,
        long stdinCredit,
        boolean stdinEnded,
        OutputPipe.Saved stdout,
        OutputPipe.Saved stderr) {}
