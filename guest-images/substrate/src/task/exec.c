/* SPDX-License-Identifier: Apache-2.0 */
/* Starting a program: ELF files (System V ABI, AMD64 supplement) and #! scripts. */
#include <linux/auxvec.h>
#include <linux/elf.h>
#include <linux/limits.h>
#include <linux/mman.h>
#include <linux/resource.h>
#include <substrate/area.h>
#include <substrate/cpu.h>
#include <substrate/err.h>
#include <substrate/exec.h>
#include <substrate/fs.h>
#include <substrate/mm.h>
#include <substrate/posix_timer.h>
#include <substrate/printk.h>
#include <substrate/process.h>
#include <substrate/random.h>
#include <substrate/signal.h>
#include <substrate/string.h>
#include <substrate/syscall.h>
#include <substrate/uaccess.h>
#include <substrate/vdso.h>

#define MAX_PHDRS 128
#define MAX_SCRIPTS 4      /* interpreters that are scripts themselves, as in Linux */
#define MAX_ARGS 65536
#define PIE_BASE 0x555555554000UL
#define MAY_EXEC 1
/* Written segments and zero memory up to this size are filled beforehand; larger ones page by page as they are used. */
#define PREFILL_BYTES (128UL << 10)
/* Read-only segments cost nothing but entries. */
#define PREMAP_BYTES (8UL << 20)

/* What is being started: arrays and strings are kernel memory; a script changes path and arguments. */
struct program {
	const char *path; /* as the program sees it (AT_EXECFN) */
	struct node *node; /* the ELF file; held */
	char **argv, **envp;
	u32 argc, envc;
	char *script_args[MAX_SCRIPTS * 3]; /* kmalloc'ed, put before argv[1] in order */
	u32 script_argc;
	char *reason;
	size_t reason_size;
};

/* Where an ELF file came to lie. */
struct loaded {
	u64 entry, base, phdrs, end;
	u32 phnum;
};

static long printf_like(3, 4) refuse(struct program *p, long error, const char *fmt, ...)
{
	va_list args;
	va_start(args, fmt);
	vsnprintf(p->reason, p->reason_size, fmt, args);
	va_end(args);
	return error;
}

static void random_pages(u64 *address, u64 pages)
{
	u32 random;
	random_bytes(&random, sizeof(random));
	*address += (random & (pages - 1)) * PAGE_SIZE;
}

/* ---- ELF ---- */

static long check_header(struct program *p, const Elf64_Ehdr *h, ssize_t size)
{
	if (size < (ssize_t)sizeof(*h) || memcmp(h->e_ident, ELFMAG, SELFMAG))
		return refuse(p, -ENOEXEC, "not an ELF file: %s", p->path);
	if (h->e_ident[EI_CLASS] != ELFCLASS64 || h->e_ident[EI_DATA] != ELFDATA2LSB || h->e_machine != EM_X86_64)
		return refuse(p, -ENOEXEC, "ELF file of another machine (class %u, machine %u): %s", h->e_ident[EI_CLASS],
		              h->e_machine, p->path);
	if (h->e_type != ET_EXEC && h->e_type != ET_DYN)
		return refuse(p, -ENOEXEC, "not an executable ELF file (type %u): %s", h->e_type, p->path);
	if (h->e_phentsize != sizeof(Elf64_Phdr) || h->e_phnum == 0 || h->e_phnum > MAX_PHDRS)
		return refuse(p, -ENOEXEC, "ELF file with %u program headers of %u bytes: %s", h->e_phnum, h->e_phentsize, p->path);
	return 0;
}

static int segment_prot(const Elf64_Phdr *ph)
{
	return (ph->p_flags & PF_R ? PROT_READ : 0) | (ph->p_flags & PF_W ? PROT_WRITE : 0) |
	       (ph->p_flags & PF_X ? PROT_EXEC : 0);
}

static long check_segment(struct program *p, const Elf64_Phdr *ph, u64 file_size)
{
	if (ph->p_filesz > ph->p_memsz || ph->p_offset > file_size || ph->p_filesz > file_size - ph->p_offset)
		return refuse(p, -ENOEXEC, "truncated ELF file: a segment ends at %lu, the file at %lu: %s",
		              (u64)(ph->p_offset + ph->p_filesz), file_size, p->path);
	if (ph->p_memsz > TASK_SIZE || ph->p_vaddr > TASK_SIZE - ph->p_memsz)
		return refuse(p, -ENOEXEC, "ELF segment outside the address space: %lx: %s", (u64)ph->p_vaddr, p->path);
	if (((ph->p_vaddr ^ ph->p_offset) & ~PAGE_MASK) && ph->p_filesz)
		return refuse(p, -ENOEXEC, "ELF segment at %lx is not aligned as its file offset %lx: %s", (u64)ph->p_vaddr,
		              (u64)ph->p_offset, p->path);
	return 0;
}

/* Maps one segment of `mm`, the active address space, at p_vaddr + base. */
static long map_segment(struct program *p, struct mm *mm, const Elf64_Phdr *ph, u64 base)
{
	u64 start = base + ph->p_vaddr, file_end = start + ph->p_filesz, end = start + ph->p_memsz;
	u64 first = ALIGN_DOWN(start, PAGE_SIZE), zero_from = ALIGN_UP(file_end, PAGE_SIZE);
	int prot = segment_prot(ph);
	if (ph->p_memsz == 0)
		return 0;
	if (ph->p_filesz == 0)
		zero_from = first;
	if (zero_from > first) {
		long at = mm_map(mm, first, zero_from - first, prot, MAP_PRIVATE | MAP_FIXED_NOREPLACE, p->node,
		                 ALIGN_DOWN(ph->p_offset, PAGE_SIZE));
		if (at < 0)
			return refuse(p, at == -EEXIST ? -ENOEXEC : at, "ELF segment at %lx cannot be mapped (overlap or no memory): %s",
			              start, p->path);
		if (prot & PROT_WRITE)
			mm_populate(mm, first, MIN(zero_from, first + PREFILL_BYTES), true);
		else
			mm_populate(mm, first, MIN(zero_from, first + PREMAP_BYTES), false);
		/*
		 * Zero up to the page's end, as Linux has it: the dynamic linker allocates from what its last page has left. The page must
		 * be there: execve(2) fills memory that is not the current task's yet, so that a fault would look in the wrong place.
		 */
		if (end > file_end && prot & PROT_WRITE &&
		    (!mm_populate(mm, file_end, zero_from, true) || clear_user((void *)file_end, zero_from - file_end)))
			return -ENOMEM;
	}
	if (end > zero_from) {
		u64 zero_end = ALIGN_UP(end, PAGE_SIZE);
		long at = mm_map(mm, zero_from, zero_end - zero_from, prot, MAP_PRIVATE | MAP_FIXED_NOREPLACE, NULL, 0);
		if (at < 0)
			return refuse(p, at == -EEXIST ? -ENOEXEC : at, "ELF segment at %lx needs %lu bytes more than there are: %s",
			              start, (u64)ph->p_memsz, p->path);
		if (prot & PROT_WRITE)
			mm_populate(mm, zero_from, MIN(zero_end, zero_from + PREFILL_BYTES), true);
	}
	return 0;
}

/* The span of a position-independent file, so that all its segments keep their distances. */
static u64 load_span(const Elf64_Phdr *phdrs, u32 n)
{
	u64 low = ~0UL, high = 0;
	for (u32 i = 0; i < n; i++) {
		if (phdrs[i].p_type != PT_LOAD)
			continue;
		low = MIN(low, ALIGN_DOWN(phdrs[i].p_vaddr, PAGE_SIZE));
		high = MAX(high, phdrs[i].p_vaddr + phdrs[i].p_memsz);
	}
	return high > low ? high - low : 0;
}

static long map_segments(struct program *p, struct mm *mm, const Elf64_Ehdr *h, const Elf64_Phdr *phdrs, bool interpreter,
                         struct loaded *out)
{
	u64 file_size = node_size(p->node);
	out->base = 0;
	bool any = false;
	for (u32 i = 0; i < h->e_phnum; i++) {
		if (phdrs[i].p_type != PT_LOAD)
			continue;
		long error = check_segment(p, &phdrs[i], file_size);
		if (error)
			return error;
		any = true;
	}
	if (!any)
		return refuse(p, -ENOEXEC, "ELF file without a loadable segment: %s", p->path);
	if (h->e_type == ET_DYN) {
		if (interpreter) {
			long at = mm_map(mm, 0, load_span(phdrs, h->e_phnum), PROT_NONE, MAP_PRIVATE | MAP_NORESERVE, NULL, 0);
			if (at < 0)
				return at;
			mm_unmap(mm, (u64)at, load_span(phdrs, h->e_phnum));
			out->base = (u64)at;
		} else {
			out->base = PIE_BASE;
			random_pages(&out->base, 4096);
		}
	}
	out->entry = h->e_entry + out->base;
	out->phnum = h->e_phnum;
	out->end = 0;
	out->phdrs = 0;
	for (u32 i = 0; i < h->e_phnum; i++) {
		const Elf64_Phdr *ph = &phdrs[i];
		if (ph->p_type != PT_LOAD)
			continue;
		long error = map_segment(p, mm, ph, out->base);
		if (error)
			return error;
		out->end = MAX(out->end, out->base + ph->p_vaddr + ph->p_memsz);
		if (h->e_phoff >= ph->p_offset && h->e_phoff - ph->p_offset < ph->p_filesz)
			out->phdrs = out->base + ph->p_vaddr + (h->e_phoff - ph->p_offset);
	}
	if (out->entry >= TASK_SIZE)
		return refuse(p, -ENOEXEC, "ELF entry point outside the address space: %lx: %s", (u64)h->e_entry, p->path);
	return 0;
}

/* Reads the headers of p->node; `phdrs` is kmalloc'ed for the caller. */
static long read_headers(struct program *p, Elf64_Ehdr *h, Elf64_Phdr **phdrs)
{
	ssize_t n = node_read(p->node, h, sizeof(*h), 0);
	if (n < 0)
		return n;
	long error = check_header(p, h, n);
	if (error)
		return error;
	size_t size = h->e_phnum * sizeof(Elf64_Phdr);
	*phdrs = kmalloc(size);
	if (!*phdrs)
		return -ENOMEM;
	n = node_read(p->node, *phdrs, size, h->e_phoff);
	if (n == (ssize_t)size)
		return 0;
	kfree(*phdrs);
	return n < 0 ? n : refuse(p, -ENOEXEC, "truncated ELF file: no program headers at %lu: %s", (u64)h->e_phoff, p->path);
}

static struct node *open_executable(struct program *p, const char *path)
{
	struct node *node = path_lookup(path);
	if (IS_ERR(node)) {
		refuse(p, 0, "%s: %s", PTR_ERR(node) == -ENOENT ? "no such file" : "cannot be opened", path);
		return node;
	}
	long error = 0;
	if ((node_mode(node) & S_IFMT) != S_IFREG)
		error = refuse(p, -EACCES, "not a regular file: %s", path);
	else if (!(node_mode(node) & 0111) || node_permission(node, MAY_EXEC))
		error = refuse(p, -EACCES, "no permission to execute: %s", path);
	if (!error)
		return node;
	node_put(node);
	return ERR_PTR(error);
}

static long load_interpreter(struct program *p, struct mm *mm, const Elf64_Phdr *ph, struct loaded *out)
{
	if (ph->p_filesz == 0 || ph->p_filesz > PATH_MAX)
		return refuse(p, -ENOEXEC, "ELF file with an interpreter name of %lu bytes: %s", (u64)ph->p_filesz, p->path);
	char *path = kmalloc(ph->p_filesz + 1);
	if (!path)
		return -ENOMEM;
	ssize_t n = node_read(p->node, path, ph->p_filesz, ph->p_offset);
	long error = n < 0 ? n : 0;
	path[MAX(n, 0)] = 0;
	struct program interpreter = { .path = path, .reason = p->reason, .reason_size = p->reason_size };
	if (!error) {
		interpreter.node = open_executable(&interpreter, path);
		error = IS_ERR(interpreter.node) ? PTR_ERR(interpreter.node) : 0;
	}
	if (!error) {
		Elf64_Ehdr h;
		Elf64_Phdr *phdrs;
		error = read_headers(&interpreter, &h, &phdrs);
		if (!error) {
			error = map_segments(&interpreter, mm, &h, phdrs, true, out);
			kfree(phdrs);
		}
		node_put(interpreter.node);
	}
	kfree(path);
	return error;
}

/* ---- #! ---- */

/* Turns `#!interpreter argument` into the interpreter with [argument,] script before the rest of the arguments. */
static long take_script_line(struct program *p, char *line)
{
	char *end = strchr(line, '\n');
	if (!end)
		return refuse(p, -ENOEXEC, "script without a line end in its first 256 bytes: %s", p->path);
	while (end > line && (end[-1] == ' ' || end[-1] == '\t'))
		end--;
	*end = 0;
	char *interpreter = line + 2;
	while (*interpreter == ' ' || *interpreter == '\t')
		interpreter++;
	if (!*interpreter)
		return refuse(p, -ENOEXEC, "script without an interpreter: %s", p->path);
	char *argument = interpreter;
	while (*argument && *argument != ' ' && *argument != '\t')
		argument++;
	if (*argument) {
		*argument++ = 0;
		while (*argument == ' ' || *argument == '\t')
			argument++;
	}
	/* New arguments go in front of those of an outer script. */
	u32 n = *argument ? 3 : 2;
	memmove(p->script_args + n, p->script_args, p->script_argc * sizeof(char *));
	p->script_args[0] = kstrndup(interpreter, PATH_MAX);
	if (n == 3)
		p->script_args[1] = kstrndup(argument, PATH_MAX);
	p->script_args[n - 1] = kstrndup(p->path, PATH_MAX);
	/* The outer script's interpreter name is what the inner one is called with. */
	if (p->script_argc) {
		kfree(p->script_args[n]);
		memmove(p->script_args + n, p->script_args + n + 1, (p->script_argc - 1) * sizeof(char *));
		p->script_argc--;
	}
	p->script_argc += n;
	for (u32 i = 0; i < p->script_argc; i++)
		if (!p->script_args[i])
			return -ENOMEM;
	p->path = p->script_args[0];
	return 0;
}

/* Opens p->path and, while it is a script, its interpreter. */
static long open_program(struct program *p)
{
	for (int depth = 0;; depth++) {
		char line[257];
		p->node = open_executable(p, p->path);
		if (IS_ERR(p->node)) {
			long error = PTR_ERR(p->node);
			p->node = NULL;
			return error;
		}
		ssize_t n = node_read(p->node, line, sizeof(line) - 1, 0);
		if (n < 2 || line[0] != '#' || line[1] != '!')
			return n < 0 ? n : 0;
		line[n] = 0;
		node_put(p->node);
		p->node = NULL;
		if (depth == MAX_SCRIPTS)
			return refuse(p, -ELOOP, "more than %d scripts call one another: %s", MAX_SCRIPTS, p->path);
		long error = take_script_line(p, line);
		if (error)
			return error;
	}
}

/* ---- the first stack ---- */

struct stack {
	u64 sp;
	bool fault;
};

static u64 push_bytes(struct stack *s, const void *bytes, size_t n)
{
	s->sp -= n;
	s->fault |= copy_to_user((void *)s->sp, bytes, n) != 0;
	return s->sp;
}

static const char *argument(const struct program *p, u32 i)
{
	if (p->script_argc == 0)
		return p->argv[i];
	/* argv[0] of a script is dropped: its path stands for it. */
	return i < p->script_argc ? p->script_args[i] : p->argv[i - p->script_argc + 1];
}

static u32 argument_count(const struct program *p)
{
	return p->script_argc == 0 ? p->argc : p->script_argc + (p->argc ? p->argc - 1 : 0);
}

static size_t argument_bytes(const struct program *p)
{
	size_t bytes = strlen(p->path) + 1;
	for (u32 i = 0; i < argument_count(p); i++)
		bytes += strlen(argument(p, i)) + 1;
	for (u32 i = 0; i < p->envc; i++)
		bytes += strlen(p->envp[i]) + 1;
	return bytes;
}

/* A quarter of the stack, within bounds (execve(2), "Limits on size of arguments and environment"). */
static u64 most_argument_bytes(void)
{
	return MAX(MIN(current->process->rlimit[RLIMIT_STACK][0] / 4, 6UL << 20), 128UL << 10);
}

/* Words of the initial stack, from argc up (System V ABI AMD64, 3.4.1). */
static long build_stack(struct program *p, struct process *process, struct mm *mm, const struct loaded *elf,
                        const struct loaded *interpreter, u64 *sp)
{
	u32 argc = argument_count(p);
	size_t bytes = argument_bytes(p);
	if (argc > MAX_ARGS || p->envc > MAX_ARGS || bytes > most_argument_bytes())
		return refuse(p, -E2BIG, "arguments and environment of %lu bytes, more than %lu", bytes, most_argument_bytes());
	u32 words = 1 + argc + 1 + p->envc + 1;
	u64 used = ALIGN_UP(bytes + (words + 64) * sizeof(u64), PAGE_SIZE) + 2 * PAGE_SIZE;
	long mapped = mm_map_stack(mm, used);
	if (mapped < 0)
		return mapped;
	long vdso = vdso_map(mm);
	if (vdso < 0)
		return vdso;
	u64 *vector = kmalloc((words + 2 * 24) * sizeof(u64));
	if (!vector)
		return -ENOMEM;
	/* All of it: see map_segment. */
	if (!mm_populate(mm, mm->stack_top - used, mm->stack_top, true)) {
		kfree(vector);
		return -ENOMEM;
	}

	struct stack s = { .sp = mm->stack_top - sizeof(u64) };
	u64 execfn = push_bytes(&s, p->path, strlen(p->path) + 1);
	u32 n = 0;
	vector[n++] = argc;
	process->env_end = execfn;
	u32 env_at = 1 + argc + 1;
	for (u32 i = p->envc; i-- > 0;)
		vector[env_at + i] = push_bytes(&s, p->envp[i], strlen(p->envp[i]) + 1);
	process->env_start = process->args_end = s.sp;
	for (u32 i = argc; i-- > 0;)
		vector[1 + i] = push_bytes(&s, argument(p, i), strlen(argument(p, i)) + 1);
	process->args_start = s.sp;
	vector[1 + argc] = 0;
	vector[env_at + p->envc] = 0;
	n = words;

	u8 random[16];
	random_bytes(random, sizeof(random));
	s.sp &= ~15UL;
	u64 random_at = push_bytes(&s, random, sizeof(random));
	u64 platform = push_bytes(&s, "x86_64", 7);
	u32 features[4];
	cpuid(1, 0, features);
	const u64 auxv[] = {
		AT_HWCAP, features[3], AT_PAGESZ, PAGE_SIZE, AT_CLKTCK, 100, AT_PHDR, elf->phdrs, AT_PHENT, sizeof(Elf64_Phdr),
		AT_PHNUM, elf->phnum, AT_BASE, interpreter->base, AT_FLAGS, 0, AT_ENTRY, elf->entry,
		AT_UID, process->cred.uid, AT_EUID, process->cred.euid, AT_GID, process->cred.gid, AT_EGID, process->cred.egid,
		AT_SECURE, 0, AT_RANDOM, random_at, AT_HWCAP2, 2 /* FSGSBASE may be used */, AT_EXECFN, execfn,
		AT_PLATFORM, platform, AT_SYSINFO_EHDR, (u64)vdso, AT_MINSIGSTKSZ, task_xsave_size() + 1024, AT_NULL, 0,
	};
	memcpy(vector + n, auxv, sizeof(auxv));
	n += ARRAY_SIZE(auxv);
	s.sp = ALIGN_DOWN(s.sp - n * sizeof(u64), 16);
	s.fault |= copy_to_user((void *)s.sp, vector, n * sizeof(u64)) != 0;
	kfree(vector);
	*sp = s.sp;
	return s.fault ? -ENOMEM : 0;
}

/* ---- all together ---- */

static void set_name(struct process *process, const char *path)
{
	const char *name = path;
	for (const char *c = path; *c; c++)
		if (*c == '/')
			name = c + 1;
	memset(process->name, 0, sizeof(process->name));
	memcpy(process->name, name, strnlen(name, sizeof(process->name) - 1));
}

static void program_free(struct program *p)
{
	if (p->node)
		node_put(p->node);
	for (u32 i = 0; i < p->script_argc; i++)
		kfree(p->script_args[i]);
}

/* Loads the opened program into `mm`, which is the active address space; fills in where it starts. */
static long load(struct program *p, struct process *process, struct mm *mm, struct pt_regs *regs)
{
	Elf64_Ehdr h;
	Elf64_Phdr *phdrs;
	struct loaded elf, interpreter = { 0 };
	long error = read_headers(p, &h, &phdrs);
	if (error)
		return error;
	error = map_segments(p, mm, &h, phdrs, false, &elf);
	u64 entry = elf.entry;
	for (u32 i = 0; !error && i < h.e_phnum; i++) {
		if (phdrs[i].p_type != PT_INTERP)
			continue;
		error = load_interpreter(p, mm, &phdrs[i], &interpreter);
		entry = interpreter.entry;
		break;
	}
	kfree(phdrs);
	u64 sp = 0;
	if (!error)
		error = build_stack(p, process, mm, &elf, &interpreter, &sp);
	if (error)
		return error;
	u64 brk = ALIGN_UP(elf.end, PAGE_SIZE);
	random_pages(&brk, 8192);
	mm->brk_start = mm->brk = process->brk_start = process->brk = brk;
	if (process->executable)
		node_put(process->executable);
	process->executable = node_get(p->node);
	*regs = (struct pt_regs){ .rip = entry, .rsp = sp, .rflags = 0x202, .cs = USER_CS, .ss = USER_SS };
	return 0;
}

static const char *environment_path(const struct spawn_request *request)
{
	for (u32 i = 0; i < request->envc; i++)
		if (strncmp(request->envp[i], "PATH=", 5) == 0)
			return request->envp[i] + 5;
	return "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
}

/* The first executable `name` in the directories of PATH, as execvp(3) finds it; kmalloc'ed. */
static char *search_path(const struct spawn_request *request, const char *name)
{
	char *path = kmalloc(PATH_MAX);
	long error = path ? -ENOENT : -ENOMEM;
	for (const char *at = environment_path(request); path && at;) {
		const char *end = strchr(at, ':');
		int length = end ? (int)(end - at) : (int)strlen(at);
		int n = snprintf(path, PATH_MAX, "%.*s%s%s", length, at, length ? "/" : "", name);
		at = end ? end + 1 : NULL;
		if (n >= PATH_MAX)
			continue;
		struct node *node = path_lookup(path);
		if (IS_ERR(node))
			continue;
		bool found = (node_mode(node) & S_IFMT) == S_IFREG && node_mode(node) & 0111 && !node_permission(node, MAY_EXEC);
		node_put(node);
		if (found)
			return path;
		error = -EACCES;
	}
	kfree(path);
	return ERR_PTR(error);
}

long exec_spawn(const struct spawn_request *request, char *reason, size_t size)
{
	char *found = NULL;
	const char *path = request->path;
	if (!*path) {
		path = request->argc ? request->argv[0] : "";
		if (!strchr(path, '/')) {
			found = *path ? search_path(request, path) : ERR_PTR(-ENOENT);
			if (IS_ERR(found)) {
				snprintf(reason, size, "%s in PATH: %s",
				         PTR_ERR(found) == -EACCES ? "no permission to execute what is" : "no such program", path);
				return PTR_ERR(found);
			}
			path = found;
		}
	}
	struct program p = { .path = path, .argv = request->argv, .envp = request->envp, .argc = request->argc,
		                 .envc = request->envc, .reason = reason, .reason_size = size };
	snprintf(reason, size, "out of memory: %s", path);
	long error = open_program(&p);
	if (!error)
		error = load(&p, current->process, current->mm, current->regs);
	if (!error)
		set_name(current->process, path);
	program_free(&p);
	kfree(found);
	return error;
}

/* ---- execve(2) ---- */

static void strings_free(char **strings, u32 n)
{
	for (u32 i = 0; i < n; i++)
		kfree(strings[i]);
	kfree(strings);
}

/* Copies a NULL-terminated array of strings; *strings is always to be freed. */
static long copy_strings(u64 user, char ***strings, u32 *count, size_t *bytes)
{
	u32 capacity = 0;
	char *text = kmalloc(128UL << 10); /* MAX_ARG_STRLEN: the longest single string Linux takes */
	long error = text ? 0 : -ENOMEM;
	*strings = NULL;
	for (*count = 0; !error && user; ++*count) {
		u64 address;
		if (copy_from_user(&address, (u64 *)user + *count, sizeof(address))) {
			error = -EFAULT;
			break;
		}
		if (!address)
			break;
		if (*count == capacity) {
			capacity = MAX(16U, capacity * 2);
			char **larger = capacity <= MAX_ARGS ? krealloc(*strings, capacity * sizeof(char *)) : NULL;
			if (!larger) {
				error = capacity > MAX_ARGS ? -E2BIG : -ENOMEM;
				break;
			}
			*strings = larger;
		}
		ssize_t n = strncpy_from_user(text, (char *)address, 128UL << 10);
		*bytes += n > 0 ? n : 0;
		if (n < 0 || *bytes > most_argument_bytes()) {
			error = n == -EFAULT ? -EFAULT : -E2BIG;
			break;
		}
		(*strings)[*count] = kstrndup(text, n);
		if (!(*strings)[*count]) {
			error = -ENOMEM;
			break;
		}
	}
	kfree(text);
	return error;
}

/* Who shared descriptors or handlers with others keeps its own from now on; nobody else's threads live on. */
static long part_from_others(void)
{
	struct task *task = current;
	long error = threads_end_others();
	if (error)
		return error;
	struct fd_table *own = fd_table_own(task->files);
	if (!own)
		return -ENOMEM;
	task->files = own;
	return signals_exec(task->process);
}

/* The point of no return is behind us: the old program is gone, the new one is `mm`. */
static void become(struct program *p, struct mm *mm, const struct pt_regs *start)
{
	struct task *task = current;
	struct mm *old = task->mm;
	task->mm = mm;
	mm_switch(mm);
	mm_put(old);
	vfork_done(task->process);
	posix_timers_free(task->process);
	task->process->executed = true;
	task->process->exit_signal = SIGCHLD;
	fd_table_close_on_exec(task->files);
	set_name(task->process, p->script_argc ? p->script_args[p->script_argc - 1] : p->path);
	*task->regs = *start;
	task->clear_child_tid = task->robust_list = 0;
	task->altstack_sp = task->altstack_size = task->altstack_flags = 0;
	__builtin_ia32_wrfsbase64(0);
	__builtin_ia32_wrgsbase64(0);
}

static long exec_replace(struct program *p)
{
	struct pt_regs start;
	struct mm *mm = mm_new(current->process->rlimit[RLIMIT_STACK][0]);
	if (!mm)
		return -ENOMEM;
	mm_switch(mm);
	long error = load(p, current->process, mm, &start);
	if (!error)
		error = part_from_others();
	if (error) {
		mm_switch(current->mm);
		mm_put(mm);
		return error;
	}
	become(p, mm, &start);
	return 0;
}

/* Takes over `path`. */
static long execute(char *path, u64 argv, u64 envp)
{
	char reason[128];
	size_t bytes = 0;
	struct program p = { .path = path, .reason = reason, .reason_size = sizeof(reason) };
	long error = copy_strings(argv, &p.argv, &p.argc, &bytes);
	if (!error)
		error = copy_strings(envp, &p.envp, &p.envc, &bytes);
	if (!error)
		error = open_program(&p);
	if (!error)
		error = exec_replace(&p);
	program_free(&p);
	strings_free(p.argv, p.argc);
	strings_free(p.envp, p.envc);
	kfree(path);
	/* The new program's rax, which the system call's return would overwrite, starts as 0. */
	return error;
}

SYSCALL_DEFINE3(execve, const char __user *, user_path, u64, argv, u64, envp)
{
	char *path = path_from_user(user_path);
	return IS_ERR(path) ? PTR_ERR(path) : execute(path, argv, envp);
}

/* The descriptor as a path, as Linux names such programs: /dev/fd/<fd>[/<path>]. */
static char *path_at(int fd, const char *path)
{
	char *whole = kmalloc(PATH_MAX);
	if (!whole)
		return ERR_PTR(-ENOMEM);
	if (snprintf(whole, PATH_MAX, "/dev/fd/%d%s%s", fd, *path ? "/" : "", path) < PATH_MAX)
		return whole;
	kfree(whole);
	return ERR_PTR(-ENAMETOOLONG);
}

static long refuse_link(const char *path)
{
	struct node *node = path_lookup_link(path);
	if (IS_ERR(node))
		return PTR_ERR(node);
	bool link = (node_mode(node) & S_IFMT) == S_IFLNK;
	node_put(node);
	return link ? -ELOOP : 0;
}

SYSCALL_DEFINE5(execveat, int, fd, const char __user *, user_path, u64, argv, u64, envp, int, flags)
{
	if (flags & ~(AT_EMPTY_PATH | AT_SYMLINK_NOFOLLOW))
		return -EINVAL;
	char *path = flags & AT_EMPTY_PATH ? path_from_user_empty_ok(user_path) : path_from_user(user_path);
	if (IS_ERR(path))
		return PTR_ERR(path);
	bool itself = !*path;
	if (*path != '/' && fd != AT_FDCWD) {
		char *whole = path_at(fd, path);
		kfree(path);
		path = whole;
		if (IS_ERR(path))
			return PTR_ERR(path);
		struct file *file = fd_get(current->files, fd);
		if (!file) {
			kfree(path);
			return -EBADF;
		}
		file_put(file);
	}
	long error = flags & AT_SYMLINK_NOFOLLOW && !itself ? refuse_link(path) : 0;
	if (!error)
		return execute(path, argv, envp);
	kfree(path);
	return error;
}
