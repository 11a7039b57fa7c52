static void *add_later(void *fd)
{
	uint64_t five = 5;
	pause_ms(20);
	if (write((int)(long)fd, &five, 8) != 8)
		printf("write failed\n");
	return NULL;
}

static void *read_later(void *fd)
{
	uint64_t value;
	pause_ms(20);
	if (read((int)(long)fd, &value, 8) != 8)
		printf("read failed\n");
	return (void *)value;
}

int main(void)
{
	uint64_t value = 0;
	char small[4];
	int e = SAY(eventfd(3, EFD_NONBLOCK | EFD_CLOEXEC));
	SHOW(fcntl(e, F_GETFD));
	SHOW(fcntl(e, F_GETFL) & O_NONBLOCK);
	SHOW(fcntl(e, F_GETFL) & O_ACCMODE);
	say_poll("three", e);
	SAY(read(e, small, 4));
	SAY(read(e, &value, 8));
	SHOW(value);
	say_poll("zero", e);
	SAY(read(e, &value, 8));
	value = UINT64_MAX;
	SAY(write(e, &value, 8));
	value = UINT64_MAX - 1;
	SAY(write(e, &value, 8));
	say_poll("full", e);
	value = 1;
	SAY(write(e, &value, 8));
	SAY(read(e, &value, 8));
	SHOW(value == UINT64_MAX - 1);
	SAY(write(e, small, 4));
	SAY(write(e, NULL, 8));
	SAY(lseek(e, 0, SEEK_SET));
	SAY(pread(e, &value, 8, 0));
	SAY(eventfd(0, 64));
	SAY(close(e));
	int s = eventfd(2, EFD_SEMAPHORE | EFD_NONBLOCK);
	SAY(read(s, &value, 8));
	SHOW(value);
	SAY(read(s, &value, 8));
	SAY(read(s, &value, 8));
	int b = eventfd(0, 0);
	pthread_t t = start(add_later, (void *)(long)b);
	SAY(read(b, &value, 8));
	SHOW(value);
	pthread_join(t, NULL);
	value = UINT64_MAX - 1;
	SAY(write(b, &value, 8));
	t = start(read_later, (void *)(long)b);
	value = 7;
	SAY(write(b, &value, 8));
	pthread_join(t, NULL);
	SAY(read(b, &value, 8));
	SHOW(value);
	return 0;
}
