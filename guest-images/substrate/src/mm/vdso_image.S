/* SPDX-License-Identifier: Apache-2.0 */
/* The library of vdso/, page by page as programs see it. */
	.section .rodata
	.balign	4096
	.globl vdso_image, vdso_image_end
vdso_image:
	.incbin	"vdso.so"
	.balign	4096
vdso_image_end:
