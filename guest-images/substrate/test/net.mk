# SPDX-License-Identifier: Apache-2.0
# Host test of src/net and of src/event's epoll, under the sanitizers. Included by the Makefile; needs BUILD, adds to `check`.

net_test := $(BUILD)/test/net_test
net_test_flags := -std=gnu11 -O1 -g -DSUBSTRATE_HOST_TEST -fsanitize=address,undefined -fno-sanitize-recover=all \
	-fno-omit-frame-pointer -fno-common -ffreestanding -fno-strict-aliasing $(warnings) $(includes)
net_test_sources := test/net_test.c test/vsock_host.c src/mm/iobuf.c $(wildcard src/net/*.c) src/event/epoll.c src/event/anonymous.c src/event/eventfd.c

$(net_test): $(net_test_sources) $(wildcard include/substrate/*.h src/net/*.h src/virtio/vsock.h src/event/*.h test/vsock_host.h src/*/syscalls.tbl)
	@mkdir -p $(@D)
	$(CC) $(net_test_flags) -o $@ $(net_test_sources)

.PHONY: check-net
check: check-net
check-net: $(net_test)
	$(net_test)
