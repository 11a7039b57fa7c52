/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SUBSTRATE_EPOLL_H
#define SUBSTRATE_EPOLL_H

struct file;

/* The last reference to a file goes that epolls watch: they forget it. */
void epoll_file_closed(struct file *file);

#endif
