// SPDX-License-Identifier: Apache-2.0
// Waits for a function: a line with its length, its source, then what it reads. By then the interpreter is warm.
'use strict';
const fs = require('fs');
require('util').inspect({ warm: [1, 'a'] });
JSON.parse(JSON.stringify({ warm: /a/.exec('a') }));

function readFully(length) {
  const bytes = Buffer.alloc(length);
  for (let at = 0; at < length;) {
    const count = fs.readSync(0, bytes, at, length - at);
    if (count === 0) throw new Error('the end');
    at += count;
  }
  return bytes;
}

let header = '';
for (let c = readFully(1)[0]; c !== 10; c = readFully(1)[0]) header += String.fromCharCode(c);
const source = readFully(Number(header)).toString('utf8');
const loaded = new module.constructor('function.js', null);
loaded.filename = 'function.js';
loaded.paths = [];
loaded._compile(source, 'function.js');
