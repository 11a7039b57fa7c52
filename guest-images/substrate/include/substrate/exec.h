/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_EXEC_H
#define SUBSTRATE_EXEC_H

#include <substrate/task.h>

/* Loads the request's program into the current task, which has none yet; 0 or a negative errno with `reason` in words. */
long exec_spawn(const struct spawn_request *request, char *reason, size_t size);

#endif
