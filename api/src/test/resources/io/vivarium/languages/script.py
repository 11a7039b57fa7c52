# SPDX-License-Identifier: Apache-2.0
import asyncio
import collections
import concurrent.futures
import decimal
import json
import os
import queue
import re
import select
import signal
import sys
import tempfile
import threading
import time

print(sys.argv[1:], os.environ["GREETING"])
for line in sys.stdin:
    print("<", line.rstrip(), ">", sep="", file=sys.stderr)

jobs, results = queue.Queue(), []


def work():
    while (n := jobs.get()) is not None:
        results.append(n * n)


workers = [threading.Thread(target=work) for _ in range(8)]
for worker in workers:
    worker.start()
for n in list(range(2000)) + [None] * len(workers):
    jobs.put(n)
for worker in workers:
    worker.join()
print(sum(results))
with concurrent.futures.ThreadPoolExecutor(4) as executor:
    print(sum(executor.map(lambda n: n * 2, range(100))))

with tempfile.TemporaryDirectory() as directory:
    path = os.path.join(directory, "words")
    with open(path, "w", encoding="utf-8") as file:
        file.write("grüße\n" * 1000)
    print(os.path.getsize(path), collections.Counter(open(path, encoding="utf-8").read()).most_common(2))
print(json.dumps({"a": [1, 2.5, None], "b": "\u00fc"}), decimal.Decimal(1) / 7, re.findall(r"\w+", "one, two"))

rung = []
signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
signal.setitimer(signal.ITIMER_REAL, 0.01, 0.01)
while len(rung) < 3:
    time.sleep(0.2)
signal.setitimer(signal.ITIMER_REAL, 0)
print("rung", rung[:3])

reader, writer = os.pipe()
print(select.select([reader], [], [], 0.01)[0])
os.write(writer, b"x")
print(len(select.select([reader], [], [], 1)[0]))


async def echo(reader, writer):
    writer.write((await reader.readline()).upper())
    writer.close()


async def network():
    await asyncio.gather(*(asyncio.sleep(0.01) for _ in range(100)))
    server = await asyncio.start_server(echo, "127.0.0.1", 0)
    reader, writer = await asyncio.open_connection(*server.sockets[0].getsockname())
    writer.write(b"over the loopback\n")
    print(await reader.readline())
    writer.close()
    server.close()


asyncio.run(network())
try:
    os.stat("/does/not/exist")
except FileNotFoundError as error:
    print(error)
sys.exit(sum([4, 5]))
