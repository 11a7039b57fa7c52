/* SPDX-License-Identifier: Apache-2.0 */
#include "samples.h"

#include <err.h>
#include <stdio.h>
#include <stdlib.h>

struct samples samples_new(const char *name, size_t most)
{
	struct samples samples = { .name = name, .ns = calloc(most, sizeof(uint64_t)) };

	if (!samples.ns)
		err(1, "%zu samples", most);
	return samples;
}

void samples_add(struct samples *samples, uint64_t ns)
{
	samples->ns[samples->count++] = ns;
}

static int compare(const void *a, const void *b)
{
	uint64_t left = *(const uint64_t *)a, right = *(const uint64_t *)b;

	return (left > right) - (left < right);
}

/* The least sample that so many percent of all do not exceed (nearest rank). */
static double percentile(const struct samples *samples, size_t percent)
{
	size_t rank = (samples->count * percent + 99) / 100;

	return (double)samples->ns[rank - 1] / 1000;
}

void samples_finish(struct samples *samples)
{
	qsort(samples->ns, samples->count, sizeof(uint64_t), compare);
	printf("%s %.1f %.1f %.1f\n", samples->name, percentile(samples, 50), percentile(samples, 90),
	       percentile(samples, 99));
	free(samples->ns);
}
