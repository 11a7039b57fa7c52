/* SPDX-License-Identifier: Apache-2.0 */
/* The agent protocol, version 1, as it is on the wire. All integers are little-endian, as the machine's own. */
#ifndef AGENT_PROTOCOL_H
#define AGENT_PROTOCOL_H

#define AGENT_SEED_BYTES 32
#define AGENT_VERSION 1
#define FRAME_HEADER_SIZE 12 /* u32 length, u16 type, u16 reserved, u32 process */
#define FRAME_PAYLOAD_MAX 262144U

enum frame_type {
	FRAME_HELLO = 0x0001,
	FRAME_CLOCK = 0x0002,
	FRAME_SHUTDOWN = 0x0003,
	FRAME_SPAWN = 0x0010,
	FRAME_STDIN = 0x0011,
	FRAME_STDIN_EOF = 0x0012,
	FRAME_WINDOW = 0x0013,
	FRAME_SIGNAL = 0x0014,

	FRAME_HELLO_ANSWER = 0x8001,
	FRAME_REFUSED = 0x8002,
	FRAME_SPAWNED = 0x8010,
	FRAME_SPAWN_FAILED = 0x8011,
	FRAME_STDOUT = 0x8012,
	FRAME_STDERR = 0x8013,
	FRAME_STDIN_WINDOW = 0x8014,
	FRAME_UNSUPPORTED = 0x8015,
	FRAME_EXITED = 0x8016,
	FRAME_KILLED = 0x8017,
};

enum spawn_flags { SPAWN_STDIN = 1, SPAWN_MERGE_STDERR = 2, SPAWN_TRACE = 4, SPAWN_FLAGS = 7 };
enum window_stream { WINDOW_STDOUT = 1, WINDOW_STDERR = 2 };

#endif
