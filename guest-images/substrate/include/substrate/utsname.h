/* SPDX-License-Identifier: Apache-2.0 */
/* What the kernel calls itself: uname(2) and /proc say the same. */
#ifndef SUBSTRATE_UTSNAME_H
#define SUBSTRATE_UTSNAME_H

extern const char kernel_release[], kernel_version[];
const char *kernel_hostname(void);

#endif
