/* An interactive shell in a terminal of its own, and the job control that is done by keys. */
#include <pty.h>
#include <sys/wait.h>

static int terminal;

/*
 * All that the terminal shows until `wanted` has come, and no further: what is typed next waits for it. And `key`, how it
 * shows a key that sends a signal, which is left out: Linux sends the signal first, and whoever gets it may write before.
 */
static void until(const char *wanted, const char *key)
{
	char bytes[2000] = "", *at;
	size_t done = 0;
	while (done < sizeof(bytes) - 1 && !(strstr(bytes, wanted) && strstr(bytes, key))) {
		if (read(terminal, bytes + done, 1) <= 0)
			break;
		bytes[++done] = 0;
	}
	at = strstr(bytes, key);
	if (at)
		memmove(at, at + strlen(key), strlen(at + strlen(key)) + 1);
	for (const char *each = bytes; *each; each++)
		printf(*each == '\n' || (*each >= ' ' && *each < 127) ? "%c" : "\\%03o", (unsigned char)*each);
	printf("|\n");
	fflush(stdout);
}

static void type(const char *keys, const char *wanted)
{
	write(terminal, keys, strlen(keys));
	until(wanted, "");
}

static void signal_by(const char *key, const char *shown, const char *wanted)
{
	write(terminal, key, strlen(key));
	until(wanted, shown);
}

int main(void)
{
	static char *argv[] = { "bash", "--norc", "--noprofile", "--noediting", "-i", NULL };
	static char *envp[] = { "PS1=ready> ", "PATH=/nowhere", NULL };
	struct winsize size = { 25, 81, 0, 0 };
	int status;
	alarm(60);
	pid_t shell = forkpty(&terminal, NULL, NULL, &size);
	if (shell == 0) {
		execve("/bin/bash-static", argv, envp);
		_exit(127);
	}
	until("ready> ", "");
	type("while read line; do echo \"got $line\"; done\n", "done\r\n");
	type("one\n", "got one\r\n");
	signal_by("\003", "^C", "ready> ");
	type("(while read line; do echo \"got $line\"; done)\n", "done)\r\n");
	type("two\n", "got two\r\n");
	signal_by("\032", "^Z", "ready> ");
	type("jobs\n", "ready> ");
	type("fg\n", "done )\r\n");
	type("three\n", "got three\r\n");
	type("\004", "ready> ");
	type("echo mistake\025echo $((6 * 7)) $COLUMNS\n", "ready> ");
	type("exit 9\n", "no more");
	waitpid(shell, &status, 0);
	printf("the shell ended with %d\n", WEXITSTATUS(status));
	return 0;
}
