// SPDX-License-Identifier: Apache-2.0
// What Node.js asks of a system: the event loop, threads, child processes, the JIT.
const assert = require('node:assert');
const { execFileSync, fork, spawn, spawnSync, exec } = require('node:child_process');
const crypto = require('node:crypto');
const events = require('node:events');
const fs = require('node:fs');
const http = require('node:http');
const net = require('node:net');
const os = require('node:os');
const path = require('node:path');
const { pipeline } = require('node:stream/promises');
const timers = require('node:timers/promises');
const util = require('node:util');
const vm = require('node:vm');
const { Worker, isMainThread, parentPort, workerData } = require('node:worker_threads');
const zlib = require('node:zlib');

if (process.argv[2] === 'child') {
  process.on('message', (m) => { process.send(m * 2); process.disconnect(); });
  return;
}
if (!isMainThread) {
  const shared = new Int32Array(workerData.shared);
  for (let i = 0; i < 1000; i++) Atomics.add(shared, 0, 1);
  Atomics.notify(shared, 0);
  parentPort.postMessage({ id: workerData.id, sum: Array.from({ length: 1e5 }, (_, i) => i % 7).reduce((a, b) => a + b) });
  return;
}

async function main() {
  const directory = fs.mkdtempSync(path.join(os.tmpdir(), 'node-'));
  console.log('== fs');
  const file = path.join(directory, 'file');
  fs.writeFileSync(file, 'one\ntwo\n');
  await fs.promises.appendFile(file, 'three\n');
  console.log(fs.readFileSync(file, 'utf8').split('\n').length, (await fs.promises.stat(file)).size);
  fs.symlinkSync('file', path.join(directory, 'link'));
  fs.mkdirSync(path.join(directory, 'a/b/c'), { recursive: true });
  await fs.promises.copyFile(file, path.join(directory, 'a/copy'));
  console.log(fs.readdirSync(directory).sort(), fs.readlinkSync(path.join(directory, 'link')));
  await pipeline(fs.createReadStream(process.execPath, { end: 999999 }), zlib.createGzip(), fs.createWriteStream(file + '.gz'));
  console.log(zlib.gunzipSync(fs.readFileSync(file + '.gz')).length);
  for (const bad of ['/nowhere', '/usr']) {
    try { fs.readFileSync(bad); } catch (e) { console.log(e.code, e.syscall); }
  }
  fs.rmSync(path.join(directory, 'a'), { recursive: true });

  console.log('== worker_threads');
  const shared = new SharedArrayBuffer(4);
  const answers = await Promise.all([0, 1, 2].map((id) => new Promise((resolve, reject) => {
    const worker = new Worker(__filename, { workerData: { id, shared } });
    worker.on('message', resolve).on('error', reject);
  })));
  console.log(answers, new Int32Array(shared)[0]);

  console.log('== child_process');
  console.log(execFileSync('sort', { input: 'b\na\n' }).toString(), spawnSync('sh', ['-c', 'echo err >&2; exit 3']).status);
  const killed = spawn('sleep', ['60']);
  killed.kill('SIGTERM');
  console.log(await events.once(killed, 'exit'));
  const child = fork(__filename, ['child']);
  child.send(21);
  console.log(await Promise.all([events.once(child, 'message'), events.once(child, 'exit')]));
  console.log(await util.promisify(exec)('echo $0 | tr a-z A-Z'));
  console.log(await new Promise((resolve) => spawn('/nowhere').on('error', (e) => resolve(e.code))));

  console.log('== zlib and crypto');
  const text = Buffer.from('the quick brown fox '.repeat(5000));
  for (const [pack, unpack] of [['deflate', 'inflate'], ['gzip', 'gunzip'], ['brotliCompress', 'brotliDecompress']]) {
    assert.deepStrictEqual(await util.promisify(zlib[unpack])(await util.promisify(zlib[pack])(text)), text);
  }
  console.log(crypto.createHash('sha256').update(text).digest('hex'), (await util.promisify(crypto.pbkdf2)('p', 's', 1000, 16, 'sha512')).toString('hex'));
  const key = Buffer.alloc(32, 1);
  const cipher = crypto.createCipheriv('aes-256-gcm', key, Buffer.alloc(12));
  console.log(Buffer.concat([cipher.update(text), cipher.final()]).length, cipher.getAuthTag().toString('hex'));
  const { privateKey, publicKey } = crypto.generateKeyPairSync('ed25519');
  console.log(crypto.verify(null, text, publicKey, crypto.sign(null, text, privateKey)), crypto.randomBytes(8).length);

  console.log('== timers');
  const order = [];
  setTimeout(() => order.push('timeout'), 1);
  setImmediate(() => order.push('immediate'));
  process.nextTick(() => order.push('tick'));
  Promise.resolve().then(() => order.push('promise'));
  await timers.setTimeout(20);
  console.log(order[0], order[1], order.length);
  let ticks = 0;
  for await (const _ of timers.setInterval(1)) if (++ticks === 5) break;
  console.log(ticks, await timers.setTimeout(1, 'value'));

  console.log('== net');
  const server = http.createServer((request, response) => response.end(request.method + ' ' + request.url));
  await new Promise((resolve) => server.listen(0, '127.0.0.1', resolve));
  console.log(await (await new Promise((resolve, reject) => http.get({ port: server.address().port, host: '127.0.0.1', path: '/x' }, (response) => {
    let body = '';
    response.on('data', (d) => (body += d)).on('end', () => resolve(body));
  }).on('error', reject))));
  server.close();
  const pipe = net.createServer((c) => c.pipe(c)).listen(path.join(directory, 'socket'));
  await events.once(pipe, 'listening');
  const client = net.connect(path.join(directory, 'socket'));
  client.write('echo');
  console.log((await events.once(client, 'data'))[0].toString());
  client.end();
  pipe.close();
  console.log(await new Promise((resolve) => net.connect(1, '127.0.0.1').on('error', (e) => resolve(e.code))));

  console.log('== engine');
  const fibonacci = (n) => (n < 2 ? n : fibonacci(n - 1) + fibonacci(n - 2));
  console.log(fibonacci(25), 2n ** 100n, vm.runInNewContext('a + 1', { a: 41 }), 'äöü'.normalize('NFD').length);
  const garbage = [];
  for (let i = 0; i < 200; i++) { garbage.push(new Array(10000).fill(i)); if (i % 10 === 0) garbage.length = 0; }
  console.log([3, 1, 2].toSorted ? 'es2023' : 'es2022', new Intl.NumberFormat('en').format(1234567.5), structuredClone({ a: new Date(0) }));
  const module_ = new WebAssembly.Module(Buffer.from('0061736d0100000001070160027f7f017f030201000707010361646400000a09010700200020016a0b', 'hex'));
  console.log(new WebAssembly.Instance(module_).exports.add(40, 2));
  process.once('SIGUSR2', () => console.log('SIGUSR2'));
  process.kill(process.pid, 'SIGUSR2');
  await timers.setTimeout(20);
  try { JSON.parse('{'); } catch (e) { console.log(e.name); }
  const deep = (n) => n === 0 ? 0 : 1 + deep(n - 1);
  try { deep(1e6); } catch (e) { console.log(e.constructor.name); }
  fs.rmSync(directory, { recursive: true });
  process.on('exit', (code) => console.log('exit', code));
  console.error('to stderr');
  process.exitCode = 12;
}
main();
