# SPDX-License-Identifier: Apache-2.0
# Host tests of the file system: its sources with the address and undefined-behaviour sanitizers, around them a small machine
# (test/fs/shim.c) and the host's kernel as oracle. Need mkfs.erofs (Debian: erofs-utils) and root. fs-test --seed=<number> makes
# other random data.

fs_test := $(BUILD)/test/fs
fs_test_flags := -std=gnu11 -O1 -g -DSUBSTRATE_HOST_TEST -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -fno-common $(warnings)
fs_test_kernel := $(fs_test_flags) -ffreestanding -fno-strict-aliasing $(includes)
fs_test_objects := $(patsubst src/%.c,$(fs_test)/kernel/%.o,$(sort $(wildcard src/fs/*.c)) src/mm/iobuf.c) \
	$(patsubst test/fs/%.c,$(fs_test)/%.o,$(sort $(wildcard test/fs/*.c)))
fs_test_hosted := $(fs_test)/host.o $(fs_test)/oracle.o

$(fs_test)/kernel/%.o: src/%.c
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

.PHONY: check-fs mkfs.erofs
check-fs: mkfs.erofs $(fs_test)/fs-test
	@if [ "$$(id -u)" -eq 0 ] || [ -n "$$CI" ]; then $(fs_test)/fs-test; else \
		echo "SKIPPED: the file system's tests make devices and change the root directory, which only root may"; fi

mkfs.erofs:
	@command -v $@ >/dev/null || { echo "$@ is missing. On Debian and Ubuntu: apt install erofs-utils" >&2; exit 1; }

check: check-fs

-include $(fs_test_objects:.o=.d)
