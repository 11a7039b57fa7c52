# SPDX-License-Identifier: Apache-2.0
"""What the standard library of Python asks of a system."""

import array, asyncio, bz2, collections, concurrent.futures, contextlib, csv, ctypes, datetime, decimal, errno, fcntl
import fractions, gc, glob, gzip, hashlib, hmac, io, itertools, json, locale, logging, lzma, math, mmap, multiprocessing
import os, pathlib, pickle, platform, queue, random, re, resource, select, selectors, shutil, signal, socket, socketserver
import sqlite3, ssl, stat, string, struct, subprocess, sys, sysconfig, tarfile, tempfile, textwrap, threading, time
import traceback, unicodedata, uuid, zipfile, zlib


def title(name):
    print("==", name, flush=True)


def in_another_process(n):
    return n * n, os.getpid() != PARENT


def worker(inbox, outbox, lock, total):
    for n in iter(inbox.get, None):
        with lock:
            total.value += n
        outbox.put(n + 1)


def data():
    title("data")
    print(json.dumps(json.loads('{"b": [1, 2.5, null, true], "a": "\\u00fc"}'), sort_keys=True))
    with decimal.localcontext() as context:
        context.prec = 50
        print(decimal.Decimal(2).sqrt(), fractions.Fraction(355, 113) - 3)
    text = ("the quick brown fox " * 5000).encode()
    print([hashlib.new(name, text).hexdigest()[:16] for name in ("md5", "sha1", "sha256", "sha3_256", "blake2b")])
    print(hmac.new(b"key", text, "sha256").hexdigest(), zlib.crc32(text), zlib.adler32(text))
    for module in (zlib, bz2, lzma, gzip):
        assert module.decompress(module.compress(text)) == text
    print(re.sub(r"(\w+) (\w+)", r"\2 \1", "hello world foo bar"), re.findall(r"\d+(?=px)", "12px 3em 45px"))
    print(struct.pack("<Ihd", 1, -2, 0.5).hex(), array.array("d", [1, 2]).tobytes().hex(), pickle.loads(pickle.dumps({1: (2, 3)})))
    random.seed(7)
    print(random.random(), random.sample(range(100), 5), math.gamma(5.5), math.fsum([0.1] * 10))
    print(unicodedata.normalize("NFD", "é").encode(), "ß".upper(), textwrap.fill("word " * 20, 30).count("\n"))
    print(datetime.datetime(2024, 2, 29, tzinfo=datetime.timezone.utc).isoformat(), uuid.uuid5(uuid.NAMESPACE_DNS, "x"))
    out = io.StringIO()
    csv.writer(out).writerows([["a,b", 'c"d'], [1, 2]])
    print(repr(out.getvalue()))


def files(directory):
    title("files")
    path = directory / "file"
    path.write_bytes(os.urandom(10000) + b"end")
    print(path.stat().st_size, stat.filemode(path.stat().st_mode), path.read_bytes()[-3:])
    with open(path, "r+b") as file, mmap.mmap(file.fileno(), 0) as mapped:
        mapped[:5] = b"hello"
        mapped.flush()
        print(path.read_bytes()[:5], mapped.find(b"end"))
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        fcntl.lockf(file, fcntl.LOCK_SH)
    os.link(path, directory / "hard"), os.symlink("file", directory / "soft")
    print(sorted(p.name for p in directory.iterdir()), os.readlink(directory / "soft"), path.stat().st_nlink)
    with tempfile.NamedTemporaryFile(dir=directory) as named, tempfile.TemporaryFile() as unnamed, tempfile.SpooledTemporaryFile(10) as spooled:
        for file in (named, unnamed, spooled):
            file.write(b"0123456789abcdef")
            file.seek(4)
            print(file.read(3))
    with tarfile.open(directory / "t.tar.xz", "w:xz") as tar:
        tar.add(path, "inside")
    with tarfile.open(directory / "t.tar.xz") as tar:
        print(tar.getnames())
    with zipfile.ZipFile(directory / "z.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/b.txt", "zipped")
    print(zipfile.ZipFile(directory / "z.zip").read("a/b.txt"))
    shutil.copytree(directory, directory / "copy", symlinks=True)
    print(len(list((directory / "copy").rglob("*"))), sorted(glob.glob(str(directory / "copy" / "*.zip")))[0][-5:])
    shutil.rmtree(directory / "copy")
    os.truncate(path, 3), os.chmod(path, 0o640), os.utime(path, (1, 2))
    print(path.read_bytes(), oct(path.stat().st_mode), path.stat().st_mtime)
    descriptor = os.memfd_create("memory")
    os.write(descriptor, b"in memory")
    print(os.pread(descriptor, 6, 3), os.fstat(descriptor).st_size)
    os.close(descriptor)
    for call in (lambda: open("/nowhere"), lambda: os.mkdir("/tmp"), lambda: os.rmdir("/usr"), lambda: os.close(999),
                 lambda: open("/usr"), lambda: os.listxattr("/nowhere"), lambda: os.kill(2**22 - 1, 0)):
        try:
            call()
        except OSError as e:
            print(errno.errorcode[e.errno])


def database(directory):
    title("sqlite3")
    with contextlib.closing(sqlite3.connect(directory / "db", check_same_thread=False)) as db:
        db.execute("pragma journal_mode=wal")
        db.execute("create table t(a integer, b text)")
        db.executemany("insert into t values (?, ?)", ((i, str(i) * 3) for i in range(1000)))
        db.commit()
        counts = []
        def count():
            with contextlib.closing(sqlite3.connect(directory / "db")) as own:
                counts.append(own.execute("select count(*), sum(a) from t").fetchone())
        threads = [threading.Thread(target=count) for _ in range(4)]
        [t.start() for t in threads], [t.join() for t in threads]
        print(counts, db.execute("select b from t where a = 7").fetchone())


def threads():
    title("threads")
    results, condition = [], threading.Condition()
    def wait_for(n):
        with condition:
            condition.wait_for(lambda: len(results) == n)
            results.append(n)
            condition.notify_all()
    started = [threading.Thread(target=wait_for, args=(n,)) for n in reversed(range(20))]
    [t.start() for t in started], [t.join() for t in started]
    print(results)
    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        print(sum(pool.map(lambda n: hashlib.sha256(b"x" * n).digest()[0], range(300))))
    barrier, timer = threading.Barrier(3), threading.Event()
    crowd = [threading.Thread(target=barrier.wait) for _ in range(2)]
    [t.start() for t in crowd], barrier.wait(), [t.join() for t in crowd]
    threading.Timer(0.02, timer.set).start()
    print(timer.wait(60), threading.Lock().acquire(timeout=0.01), queue.Queue(1).put(1, timeout=1))
    try:
        queue.Queue().get(timeout=0.01)
    except queue.Empty:
        print("empty")
    local = threading.local()
    local.x = 1
    print(threading.active_count(), local.x)


def processes():
    title("processes")
    with multiprocessing.get_context("fork").Pool(3) as pool:
        print(pool.map(in_another_process, range(5)))
    for method in ("fork", "spawn", "forkserver"):
        context = multiprocessing.get_context(method)
        inbox, outbox, lock, total = context.Queue(), context.Queue(), context.Lock(), context.Value("i", 0)
        workers = [context.Process(target=worker, args=(inbox, outbox, lock, total)) for _ in range(2)]
        [w.start() for w in workers]
        [inbox.put(n) for n in range(10)]
        answers = sorted(outbox.get() for _ in range(10))
        [inbox.put(None) for _ in workers], [w.join() for w in workers]
        print(method, answers, total.value, [w.exitcode for w in workers])
    with concurrent.futures.ProcessPoolExecutor(2) as pool:
        print(list(pool.map(math.factorial, range(5))))
    from multiprocessing import shared_memory
    block = shared_memory.SharedMemory(create=True, size=100)
    block.buf[:5] = b"share"
    again = shared_memory.SharedMemory(block.name)
    print(bytes(again.buf[:5]))
    again.close()
    block.close(), block.unlink()

    title("subprocess")
    print(subprocess.run(["sh", "-c", "cat; echo err >&2; exit 3"], input=b"fed", capture_output=True))
    print(subprocess.check_output("echo $((6 * 7)) | tr 4 5", shell=True, text=True))
    process = subprocess.Popen(["cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, bufsize=1)
    process.stdin.write("line\n"), process.stdin.flush()
    print(process.stdout.readline(), process.poll())
    process.terminate()
    print(process.wait(), subprocess.run(["sleep", "0"], timeout=60).returncode)
    try:
        subprocess.run(["sleep", "60"], timeout=0.05)
    except subprocess.TimeoutExpired as e:
        print(e.cmd)
    try:
        subprocess.run(["/nowhere"])
    except FileNotFoundError as e:
        print(e)
    print(subprocess.run(["sh", "-c", "echo $A; pwd; ls -l /proc/self/fd | wc -l"], env={"A": "b", "PATH": os.environ["PATH"]}, cwd="/usr",
                         start_new_session=True, capture_output=True, text=True).stdout)
    child = os.fork()
    if child == 0:
        os._exit(17)
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
    child = os.posix_spawn("/bin/sh", ["sh", "-c", "kill -9 $$"], {})
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), os.WEXITED)
    descriptor = os.pidfd_open(child := os.posix_spawn("/bin/true", ["true"], {}))
    print(select.select([descriptor], [], [], 60)[0] == [descriptor], os.waitid(os.P_PIDFD, descriptor, os.WEXITED).si_status)


def signals():
    title("signals")
    seen = []
    for number in (signal.SIGUSR1, signal.SIGALRM, signal.SIGVTALRM, signal.SIGPROF):
        signal.signal(number, lambda n, frame: seen.append(signal.Signals(n).name))
    os.kill(os.getpid(), signal.SIGUSR1)
    for which in (signal.ITIMER_REAL, signal.ITIMER_VIRTUAL, signal.ITIMER_PROF):
        count = len(seen)
        signal.setitimer(which, 0.02)
        while len(seen) == count:
            pass
    print(seen)
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    os.kill(os.getpid(), signal.SIGUSR2)
    print(signal.sigpending(), signal.sigwaitinfo([signal.SIGUSR2]).si_signo, signal.sigtimedwait([signal.SIGUSR2], 0.01))
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    signal.set_wakeup_fd(writer)
    signal.raise_signal(signal.SIGUSR1)
    print(os.read(reader, 10))
    signal.set_wakeup_fd(-1)


class Echo(socketserver.StreamRequestHandler):
    def handle(self):
        for line in self.rfile:
            self.wfile.write(line.upper())


def sockets(directory):
    title("sockets")
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Echo) as server:
        threading.Thread(target=server.serve_forever, args=(0.01,)).start()
        with socket.create_connection(server.server_address) as client:
            client.sendall(b"shout\nlouder\n")
            client.shutdown(socket.SHUT_WR)
            print(client.makefile().read())
        server.shutdown()
    a, b = socket.socketpair()
    with a, b:
        socket.send_fds(a, [b"fd"], [sys.stdout.fileno()])
        message, descriptors, _, _ = socket.recv_fds(b, 10, 1)
        print(message, os.fstat(descriptors[0]).st_ino == os.fstat(1).st_ino)
        a.settimeout(0.01)
        try:
            a.recv(1)
        except TimeoutError as e:
            print(repr(e))
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as one, socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as two:
        one.bind(str(directory / "s"))
        one.connect(str(directory / "s"))
        one.send(b"datagram")
        print(one.recv(100))
        two.bind(("127.0.0.1", 0))
        two.sendto(b"udp", two.getsockname())
        print(two.recvfrom(10)[0])
    try:
        socket.create_connection(("127.0.0.1", 1), 1)
    except OSError as e:
        print(e)
    for address in ("203.0.113.1", "::1"):
        print(ipaddress_of(address))
    poller = selectors.DefaultSelector()
    with contextlib.ExitStack() as stack:
        a, b = (stack.enter_context(s) for s in socket.socketpair())
        poller.register(a, selectors.EVENT_READ, "a")
        print(poller.select(0))
        b.send(b"x")
        print([key.data for key, _ in poller.select(60)])

    title("ssl")
    print(ssl.OPENSSL_VERSION_INFO[0] >= 1, ssl.create_default_context().verify_mode)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    subprocess.run("openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -keyout k -out c -subj /CN=x".split(),
                   cwd=directory, check=True, stderr=subprocess.DEVNULL)
    server_context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server_context.load_cert_chain(directory / "c", directory / "k")
    a, b = socket.socketpair()
    def serve():
        with server_context.wrap_socket(a, server_side=True) as tls:
            tls.sendall(tls.recv(100)[::-1])
    thread = threading.Thread(target=serve)
    thread.start()
    with context.wrap_socket(b) as tls:
        tls.sendall(b"secret")
        print(tls.recv(100), tls.version(), tls.cipher()[0])
    thread.join()


def ipaddress_of(address):
    import ipaddress
    return ipaddress.ip_address(address).is_private


async def talk():
    title("asyncio")
    async def handle(reader, writer):
        writer.write((await reader.readline())[::-1])
        await writer.drain()
        writer.close()
    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()[1]
    async def ask(n):
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        writer.write(b"%d abc\n" % n)
        answer = await reader.read()
        writer.close()
        return answer
    print(await asyncio.gather(*(ask(n) for n in range(5))))
    process = await asyncio.create_subprocess_exec("sort", stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    print(await process.communicate(b"b\na\n"), process.returncode)
    loop = asyncio.get_running_loop()
    caught = asyncio.Event()
    loop.add_signal_handler(signal.SIGUSR1, caught.set)
    os.kill(os.getpid(), signal.SIGUSR1)
    await asyncio.wait_for(caught.wait(), 60)
    print(await loop.run_in_executor(None, lambda: 5))
    try:
        await asyncio.wait_for(asyncio.sleep(60), 0.01)
    except asyncio.TimeoutError:
        print("timed out")
    server.close()


def native():
    title("ctypes")
    libc = ctypes.CDLL(None, use_errno=True)
    libc.strlen.restype = ctypes.c_size_t
    print(libc.strlen(b"twelve bytes"), libc.open(b"/nowhere", 0), errno.errorcode[ctypes.get_errno()])
    callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_int), ctypes.POINTER(ctypes.c_int))
    values = (ctypes.c_int * 5)(5, 3, 1, 4, 2)
    libc.qsort(values, 5, ctypes.sizeof(ctypes.c_int), callback(lambda a, b: a[0] - b[0]))
    print(list(values), ctypes.CDLL("libm.so.6").abs(-3))

    title("limits and clocks")
    print(resource.getrlimit(resource.RLIMIT_STACK)[0], resource.getrusage(resource.RUSAGE_SELF).ru_maxrss > 1000)
    before = time.monotonic()
    time.sleep(0.01)
    print(time.monotonic() - before >= 0.01, abs(time.time() - time.clock_gettime(time.CLOCK_REALTIME)) < 1, time.process_time() > 0)
    print(platform.system(), platform.machine(), sys.byteorder, os.sysconf("SC_PAGE_SIZE"), len(os.sched_getaffinity(0)) >= 1)
    deep = []
    def recurse(n):
        return 0 if n == 0 else 1 + recurse(n - 1)
    print(recurse(900))
    try:
        recurse(100000)
    except RecursionError as e:
        print(e)
    try:
        bytearray(1 << 46)
    except MemoryError:
        print("MemoryError")


if __name__ == "__main__":
    PARENT = os.getpid()
    with tempfile.TemporaryDirectory() as name:
        directory = pathlib.Path(name)
        data()
        files(directory)
        database(directory)
        threads()
        processes()
        signals()
        sockets(directory)
        asyncio.run(talk())
        native()
    logging.error("to stderr")
    print("".join(traceback.format_exception_only(ValueError("v"))), end="")
    sys.exit(11)
