# SPDX-License-Identifier: Apache-2.0
# Host tests of the file system: its sources with the address and undefined-behaviour sanitizers, around them a small machine
# (test/fs/shim.c) and the host's kernel as oracle. Needs mkfs.erofs (Debian: erofs-utils).

fs_test := $(BUILD)/test/fs
fs_test_flags := -std=gnu11 -O1 -g -DSUBSTRATE_HOST_TEST -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -fno-common $(warnings)
fs_test_kernel := $(fs_test_flags) -ffreestanding -fno-strict-aliasing $(includes)
fs_test_objects := $(patsubst src/fs/%.c,$(fs_test)/kernel/%.o,$(sort $(wildcard src/fs/*.c))) \
	$(patsubst test/fs/%.c,$(fs_test)/%.o,$(sort $(wildcard test/fs/*.c)))
fs_test_hosted := $(fs_test)/host.o $(fs_test)/oracle.o

$(fs_test)/kernel/%.o: src/fs/%.c
	@mkdir -p $(@D)
	$(CC) $(fs_test_kernel) -MMD -MP -c -o $@ $<

$(fs_test_hosted): $(fs_test)/%.o: test/fs/%.c
	@mkdir -p $(@D)
	$(CC) $(fs_test_flags) -MMD -MP -c -o $@ $<

$(fs_test)/%.o: test/fs/%.c
	@mkdir -p $(@D)
	$(CC) $(fs_test_kernel) -MMD -MP -c -o $@ $<

$(fs_test)/fs-test: $(fs_test_objects)
	$(CC) $(fs_test_flags) -o $@ $^

.PHONY: check-fs
check-fs: $(fs_test)/fs-test
	@command -v mkfs.erofs >/dev/null || { echo "mkfs.erofs is missing: apt-get install erofs-utils" >&2; exit 1; }
	$(fs_test)/fs-test

check: check-fs

-include $(fs_test_objects:.o=.d)
