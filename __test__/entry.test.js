'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('cluster-shared-memory');
const { runNode } = require('./helpers.js');

/** What is there at once as well. */
const AT_ONCE = [
  ...['add', 'clear', 'compareAndSet', 'decr', 'entries', 'get', 'getAndRemove', 'getAndSet'],
  ...['getMany', 'getWithVersion', 'has', 'incr', 'keys', 'remove', 'removeMany', 'replace'],
  ...['set', 'setMany', 'size', 'touch', 'ttl', 'update'],
];
const METHODS = [
  ...AT_ONCE,
  ...['close', 'configure', 'getLRU', 'getLock', 'listen', 'mutex', 'namespace', 'releaseLock'],
  ...['removeLRU', 'setLRU', 'setLRUOptions', 'stats'],
];

test('the object has its methods, sync and logger, and nothing else', () => {
  assert.deepEqual(Object.keys(memory).sort(), [...METHODS, 'logger', 'sync'].sort());
  assert.deepEqual(Object.keys(memory.sync).sort(), [...AT_ONCE].sort());
  assert.equal(memory.logger, console.error);
});

test('the old path of the entry gives the same object', () => {
  assert.equal(require('cluster-shared-memory/src/shared-memory'), memory);
  assert.equal(require('cluster-shared-memory/src/shared-memory.js'), memory);
});

test('methods work detached from the object', async () => {
  const { get, set, remove, has, incr, sync, stats } = memory;
  await set('detached', 1);
  assert.equal(await incr('detached'), 2);
  assert.equal(await get('detached'), 2);
  await remove('detached');
  assert.equal(await has('detached'), false);
  const { get: read, set: write } = sync;
  assert.equal(write('detached', 1), 'OK');
  assert.equal(read('detached'), 1);
  assert.ok((await stats()).entries >= 1);
});

test('import gives the same object as default, and its methods by name', async () => {
  for (const path of ['cluster-shared-memory', 'cluster-shared-memory/src/shared-memory']) {
    const { default: imported, ...named } = await import(path);
    assert.equal(imported, memory);
    assert.deepEqual(Object.keys(named).sort(), [...METHODS, 'sync'].sort());
    for (const [name, method] of Object.entries(named)) {
      assert.equal(method, /** @type {any} */ (memory)[name]);
    }
  }
});

test('static imports work', async () => {
  const { output } = await runNode([
    '--input-type=module',
    '-e',
    `import memory, { get, set, sync } from 'cluster-shared-memory';
     await set('a', 1);
     console.log(await get('a'), sync.get('a'), await memory.get('a'));`,
  ]);
  assert.equal(output, '1 1 1\n');
});
