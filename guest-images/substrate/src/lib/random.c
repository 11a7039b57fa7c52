/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ChaCha20 (RFC 8439) as a generator that erases its key as it goes: each request's first block replaces the key, so that
 * what was given out before cannot be computed from the memory of a later moment.
 */
#include <substrate/cpu.h>
#include <substrate/random.h>
#include <substrate/string.h>

static u32 key[8];

static inline u32 rotate(u32 x, int n)
{
	return x << n | x >> (32 - n);
}

#define QUARTER(a, b, c, d)                                                                                            \
	(a += b, d = rotate(d ^ a, 16), c += d, b = rotate(b ^ c, 12), a += b, d = rotate(d ^ a, 8), c += d,               \
	 b = rotate(b ^ c, 7))

static void block(u64 counter, u32 out[16])
{
	u32 in[16] = { 0x61707865, 0x3320646e, 0x79622d32, 0x6b206574 };
	memcpy(in + 4, key, sizeof(key));
	in[12] = (u32)counter;
	in[13] = (u32)(counter >> 32);
	in[14] = in[15] = 0;
	memcpy(out, in, sizeof(in));
	for (int i = 0; i < 10; i++) {
		QUARTER(out[0], out[4], out[8], out[12]);
		QUARTER(out[1], out[5], out[9], out[13]);
		QUARTER(out[2], out[6], out[10], out[14]);
		QUARTER(out[3], out[7], out[11], out[15]);
		QUARTER(out[0], out[5], out[10], out[15]);
		QUARTER(out[1], out[6], out[11], out[12]);
		QUARTER(out[2], out[7], out[8], out[13]);
		QUARTER(out[3], out[4], out[9], out[14]);
	}
	for (int i = 0; i < 16; i++)
		out[i] += in[i];
}

/* The processor's generator, where there is one: on top of the host's seed, never instead of it. */
static u64 hardware_random(void)
{
	u64 value = 0;
	u32 leaf[4];
	cpuid(1, 0, leaf);
	if (leaf[2] & 1 << 30)
		__asm__ volatile("rdrand %0" : "=r"(value) : : "cc");
	return value ^ rdtsc();
}

void random_reseed(const void *seed, size_t n)
{
	const u8 *bytes = seed;
	u32 out[16];
	for (size_t i = 0; i < n; i++)
		((u8 *)key)[i % sizeof(key)] ^= bytes[i];
	for (int i = 0; i < 4; i++) {
		u64 more = hardware_random();
		key[2 * i] ^= (u32)more;
		key[2 * i + 1] ^= (u32)(more >> 32);
	}
	block(0, out);
	memcpy(key, out, sizeof(key));
}

void random_bytes(void *buf, size_t n)
{
	u8 *at = buf;
	u32 out[16], next_key[16];
	block(0, next_key);
	for (u64 counter = 1; n; counter++) {
		size_t piece = MIN(n, sizeof(out));
		block(counter, out);
		memcpy(at, out, piece);
		at += piece;
		n -= piece;
	}
	memcpy(key, next_key, sizeof(key));
	memset(out, 0, sizeof(out));
}
