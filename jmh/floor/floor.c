/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The floor of the launch benchmarks: launches microVMs as the Java VMM does, with the same guest and the same KVM calls but
 * without a JVM. One thread does all.
 */
#include <err.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

#include "kvm.h"
#include "machine.h"
#include "reset.h"
#include "samples.h"
#include "saved.h"
#include "wake.h"

#define WARM_UP 50
#define MOST_ITERATIONS 1000000

static const char *const command[] = { "/bin/busybox", "echo", "hi", NULL };
static const char expected[] = "hi\n";

/* What all machines share. */
static struct kvm kvm;
static struct mapped_file image;
static struct saved_machine booted;

static void run_command(struct machine *machine)
{
	struct agent *agent = &machine->agent;

	agent_spawn(agent, command);
	machine_run(machine, &agent->exited_at);
	if (agent->exit_code != 0 || agent->output_length != strlen(expected) ||
	    memcmp(agent->output, expected, strlen(expected)) != 0)
		errx(1, "the program exits with %u and says: %.*s", agent->exit_code, (int)agent->output_length,
		     agent->output);
}

/* Boots once, to the moment at which the agent waits to be greeted. */
static void boot(struct machine *machine, struct machine *fresh, const char *kernel_path)
{
	static const struct template nothing;

	machine_create(fresh, &kvm, &nothing, &image);
	machine_create(machine, &kvm, &nothing, &image);
	machine_boot(machine, &kvm, kernel_path, &image);
	machine_run(machine, NULL);
	machine_save(&booted, &kvm, machine, fresh);
	machine_destroy(machine);
	machine_destroy(fresh);
}

static void launch(struct machine *machine)
{
	machine_create(machine, &kvm, &booted.template, &image);
	machine_restore(machine, &booted);
	agent_greet(&machine->agent);
	machine_run(machine, &machine->agent.hello_at);
}

int main(int argc, char **argv)
{
	static struct machine fresh, running, used;

	if (argc != 4)
		errx(2, "usage: %s <kernel ELF> <root image> <iterations>", argv[0]);
	char *end;
	unsigned long iterations = strtoul(argv[3], &end, 10);
	if (*end || iterations == 0 || iterations > MOST_ITERATIONS)
		errx(2, "%s iterations: 1 to %d", argv[3], MOST_ITERATIONS);
	kvm_open(&kvm);
	wake_init();
	image = map_file(argv[2]);
	boot(&running, &fresh, argv[1]);

	struct samples hello = samples_new("launch", iterations);
	struct samples output = samples_new("launch-output", iterations);
	struct samples whole = samples_new("launch-exec-close", iterations);
	struct samples exec = samples_new("exec", iterations);
	struct samples reset = samples_new("reset", iterations);
	struct samples reset_exec = samples_new("reset-exec", iterations);

	launch(&running);
	machine_run(&running, NULL);
	machine_create(&used, &kvm, &booted.template, &image);
	machine_restore(&used, &booted);
	reset_prepare(&booted, &used);
	agent_greet(&used.agent);
	machine_run(&used, &used.agent.hello_at);
	run_command(&used);
	for (unsigned long i = 0; i < WARM_UP + iterations; i++) {
		uint64_t launch_start = monotonic_ns();
		launch(&fresh);
		run_command(&fresh);
		machine_destroy(&fresh);
		uint64_t launch_end = monotonic_ns();

		uint64_t exec_start = monotonic_ns();
		run_command(&running);
		uint64_t exec_end = running.agent.exited_at;
		machine_run(&running, NULL);

		uint64_t reset_start = monotonic_ns();
		machine_reset(&used, &booted);
		uint64_t reset_end = monotonic_ns();
		agent_greet(&used.agent);
		machine_run(&used, &used.agent.hello_at);
		run_command(&used);
		uint64_t used_end = used.agent.exited_at;

		if (i >= WARM_UP) {
			samples_add(&reset, reset_end - reset_start);
			samples_add(&reset_exec, used_end - reset_start);
			samples_add(&hello, fresh.agent.hello_at - launch_start);
			samples_add(&output, fresh.agent.output_at - launch_start);
			samples_add(&whole, launch_end - launch_start);
			samples_add(&exec, exec_end - exec_start);
		}
	}
	machine_destroy(&running);
	machine_destroy(&used);
	samples_finish(&hello);
	samples_finish(&output);
	samples_finish(&whole);
	samples_finish(&exec);
	samples_finish(&reset);
	samples_finish(&reset_exec);
	return 0;
}
