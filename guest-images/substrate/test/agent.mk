# Host tests of src/virtio and src/agent, with terminals' line discipline: the drivers and the agent against a fake device, under the sanitizers.
# Included by the Makefile beside test/; needs BUILD, adds to the target `check`.

AGENT_TEST_CFLAGS := -std=c11 -O1 -g -DSUBSTRATE_HOST_TEST -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -Wall -Wextra -Werror -Wmissing-prototypes -Wstrict-prototypes -Iinclude
AGENT_TEST_COMMON := $(filter-out src/virtio/vsock.c,$(wildcard src/virtio/*.c src/agent/*.c)) src/tty/ldisc.c test/agent_shim.c test/agent_device.c
AGENT_TEST_HEADERS := $(wildcard include/substrate/*.h src/virtio/*.h src/agent/*.h src/tty/*.h test/agent_*.h)
AGENT_TESTS := $(BUILD)/test/virtio_test $(BUILD)/test/block_test $(BUILD)/test/rng_test $(BUILD)/test/balloon_test \
	$(BUILD)/test/agent_test

$(AGENT_TESTS): $(BUILD)/test/%: test/%.c $(AGENT_TEST_COMMON) $(AGENT_TEST_HEADERS)
	@mkdir -p $(@D)
	$(CC) $(AGENT_TEST_CFLAGS) -o $@ $< $(AGENT_TEST_COMMON)

.PHONY: check check-agent
check: check-agent
check-agent: $(AGENT_TESTS)
	$(BUILD)/test/virtio_test
	$(BUILD)/test/block_test
	$(BUILD)/test/rng_test
	$(BUILD)/test/balloon_test
	$(BUILD)/test/agent_test
