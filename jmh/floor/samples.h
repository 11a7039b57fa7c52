/* SPDX-License-Identifier: Apache-2.0 */
/* Times of a measured point. */
#ifndef SAMPLES_H
#define SAMPLES_H

#include <stddef.h>
#include <stdint.h>

struct samples {
	const char *name;
	size_t count;
	uint64_t *ns;
};

struct samples samples_new(const char *name, size_t most);
void samples_add(struct samples *samples, uint64_t ns);

/* Gives them up and prints a line: name, median, 90th and 99th percentile in microseconds. */
void samples_finish(struct samples *samples);

#endif
