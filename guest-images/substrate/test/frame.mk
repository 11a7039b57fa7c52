# SPDX-License-Identifier: Apache-2.0
# Host test of the allocator of frames under the sanitizers. Included by the Makefile beside test/; needs BUILD, adds to `check`.

$(BUILD)/test/frame_test: test/frame_test.c src/mm/frame.c include/substrate/frame.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O1 -g -DSUBSTRATE_HOST_TEST -fsanitize=address,undefined -fno-sanitize-recover=all \
		-fno-omit-frame-pointer -Wall -Wextra -Werror -Iinclude -o $@ test/frame_test.c src/mm/frame.c

.PHONY: check-frame
check: check-frame
check-frame: $(BUILD)/test/frame_test
	$(BUILD)/test/frame_test
