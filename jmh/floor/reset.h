/* SPDX-License-Identifier: Apache-2.0 */
/* Puts a machine in which a guest went on back to where it went on from, as the Java VMM does (SavedMachine, Translations). */
#ifndef RESET_H
#define RESET_H

#include "saved.h"

/* Once the machine was saved: the rest of what a used machine has to be given back. */
void reset_prepare(const struct saved_machine *saved, struct machine *machine);

void machine_reset(struct machine *machine, struct saved_machine *saved);

#endif
