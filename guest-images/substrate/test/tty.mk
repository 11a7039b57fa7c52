# SPDX-License-Identifier: Apache-2.0
# Host test of the line discipline under the sanitizers. Included by the Makefile beside test/; needs BUILD, adds to `check`.

$(BUILD)/test/ldisc_test: test/ldisc_test.c src/tty/ldisc.c src/tty/ldisc.h
	@mkdir -p $(@D)
	$(CC) -std=gnu11 -O1 -g -DSUBSTRATE_HOST_TEST -fsanitize=address,undefined -fno-sanitize-recover=all \
		-fno-omit-frame-pointer -Wall -Wextra -Werror -Iinclude -o $@ test/ldisc_test.c src/tty/ldisc.c

.PHONY: check-tty
check: check-tty
check-tty: $(BUILD)/test/ldisc_test
	$(BUILD)/test/ldisc_test
