/* SPDX-License-Identifier: Apache-2.0 */
/* Runs a machine's vCPU, and serves what it leaves the guest for. */
#include <err.h>
#include <errno.h>
#include <linux/kvm.h>
#include <string.h>
#include <sys/ioctl.h>

#include "layout.h"
#include "machine.h"
#include "wake.h"

#define RESET_PORT 0x64 /* the keyboard controller's, which has the line to the processor's reset pin */

__attribute__((noreturn)) static void fail(const struct machine *machine, const char *why)
{
	errx(1, "%s (exit %u); the guest's console:\n%.*s", why, machine->run->exit_reason,
	     (int)machine->console.text_length, machine->console.text);
}

/* ---- interrupts ---- */

/* Hands the guest a pending interrupt if it can take it now, or asks to be told when it can. */
static void offer_interrupt(struct machine *machine)
{
	struct kvm_run *run = machine->run;

	if (machine->console.mmio.interrupt) {
		machine->console.mmio.interrupt = false;
		machine->pending |= 1U << CONSOLE_IRQ;
	}
	/* The kernel looks at all its devices, and at the time, whenever it comes out of hlt. */
	if (machine->halted)
		machine->pending = 0;
	machine->halted = false;
	if (machine->pending && run->ready_for_interrupt_injection && run->if_flag) {
		unsigned irq = 31 - (unsigned)__builtin_clz(machine->pending);
		machine->pending &= ~(1U << irq);
		KVM_CALL(machine->vcpu, KVM_INTERRUPT, (&(struct kvm_interrupt){ FIRST_VECTOR + irq }));
	}
	run->request_interrupt_window = machine->pending != 0;
}

static void take_wake(struct machine *machine)
{
	if (machine->wake_deadline && monotonic_ns() >= machine->wake_deadline) {
		machine->wake_deadline = 0;
		machine->pending |= 1U << WAKE_TIMER_IRQ;
	}
}

static bool is_idle(const struct machine *machine)
{
	if (!machine->run->if_flag)
		fail(machine, "the guest halts with interrupts off");
	return !machine->pending;
}

static void await_wake(struct machine *machine)
{
	if (!machine->wake_deadline)
		fail(machine, "the guest waits for nothing");
	wake_wait();
	take_wake(machine);
}

/* ---- devices ---- */

static void write_wake_timer(struct machine *machine, uint64_t ns)
{
	uint64_t most = INT64_MAX / 2; /* 146 years */

	machine->wake_deadline = ns ? monotonic_ns() + (ns < most ? ns : most) : 0;
	wake_at(machine->wake_deadline);
}

static void serve_mmio(struct machine *machine, uint64_t address, uint8_t *data, uint32_t length, bool write)
{
	uint64_t value = 0;

	if (write)
		memcpy(&value, data, length);
	if (address - CONSOLE_WINDOW < CONSOLE_WINDOW_SIZE) {
		if (write)
			virtio_mmio_write(&machine->console.mmio, address - CONSOLE_WINDOW, (uint32_t)value);
		else
			value = virtio_mmio_read(&machine->console.mmio, address - CONSOLE_WINDOW);
	} else if (address == WAKE_TIMER && length == sizeof(value)) {
		if (write)
			write_wake_timer(machine, value);
		else
			value = machine->wake_deadline != 0;
	} else {
		warnx("%u bytes at 0x%lx", length, address);
		fail(machine, "the guest reaches for what is not there");
	}
	if (!write)
		memcpy(data, &value, length);
}

static void serve_port(struct machine *machine)
{
	struct kvm_run *run = machine->run;

	if (run->io.direction == KVM_EXIT_IO_IN)
		memset((char *)run + run->io.data_offset, 0xff, run->io.size * run->io.count);
	else if (run->io.port == RESET_PORT)
		fail(machine, "the guest kernel ended the machine");
}

/* ---- the loop ---- */

void machine_run(struct machine *machine, const uint64_t *until)
{
	struct kvm_run *run = machine->run;

	/* Another machine may have used the timer. */
	if (machine->wake_deadline)
		wake_at(machine->wake_deadline);
	while (!until || !*until) {
		offer_interrupt(machine);
		if (ioctl(machine->vcpu, KVM_RUN, 0) < 0) {
			if (errno != EINTR)
				err(1, "KVM_RUN");
			wake_absorb();
			take_wake(machine);
			continue;
		}
		switch (run->exit_reason) {
		case KVM_EXIT_MMIO:
			serve_mmio(machine, run->mmio.phys_addr, run->mmio.data, run->mmio.len, run->mmio.is_write);
			break;
		case KVM_EXIT_IO:
			serve_port(machine);
			break;
		case KVM_EXIT_HLT:
			machine->halted = true;
			if (is_idle(machine)) {
				if (!until)
					return;
				await_wake(machine);
			}
			break;
		case KVM_EXIT_IRQ_WINDOW_OPEN:
		case KVM_EXIT_INTR:
			break;
		default:
			fail(machine, "the guest crashed");
		}
	}
}
