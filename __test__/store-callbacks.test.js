'use strict';

// The forms of set with options, a callback, or both.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { runNode } = require('./helpers.js');

const LIMIT = { timeout: 20_000 };
const untyped = /** @type {any} */ (memory);

/**
 * What a callback was given, once its call is over and all is quiet.
 * @param {(done: (...args: unknown[]) => void) => Promise<unknown>} call
 */
async function told(call) {
  /** @type {unknown[][]} */
  const seen = [];
  const promise = call((...args) => seen.push(args));
  assert.deepEqual(seen, []);
  await promise.catch(() => {});
  await new Promise((resolve) => setTimeout(resolve, 10));
  return seen;
}

test('set calls back with options and without', LIMIT, async () => {
  assert.deepEqual(await told((done) => memory.set('a', 1, done)), [['OK']]);
  assert.equal(await memory.ttl('a'), Number.POSITIVE_INFINITY);
  assert.deepEqual(await told((done) => memory.set('a', 2, { ttl: 60_000 }, done)), [['OK']]);
  assert.ok(Number(await memory.ttl('a')) <= 60_000);
  assert.deepEqual(await told((done) => untyped.set('a', 3, undefined, done)), [['OK']]);
  assert.equal(await memory.ttl('a'), Number.POSITIVE_INFINITY);
  assert.equal(await memory.get('a'), 3);
});

test('null in the place of the callback is none', LIMIT, async () => {
  assert.equal(await untyped.set('a', 1, null), 'OK');
  assert.equal(await untyped.set('a', 2, null, null), 'OK');
  assert.equal(await untyped.set('a', 3, { ttl: 60_000 }, null), 'OK');
  assert.equal(await memory.get('a'), 3);
});

test('a callback behind null is called', LIMIT, async () => {
  assert.deepEqual(await told((done) => untyped.set('a', 1, null, done)), [['OK']]);
});

test('a callback hears of wrong options, and the value stays', LIMIT, async () => {
  await memory.set('a', 'stays');
  const calls = /** @type {any[][]} */ (await told((done) => memory.set('a', 1, { ttl: 0 }, done)));
  const [[error]] = calls;
  assert.equal(error.code, 'ERR_OUT_OF_RANGE');
  assert.deepEqual([calls.length, await memory.get('a')], [1, 'stays']);
});

test('the synchronous set takes options and no callback', LIMIT, () => {
  const { set } = /** @type {any} */ (memory.sync);
  assert.throws(() => set('a', 1, () => {}), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.throws(() => set('a', 1, null), { code: 'ERR_INVALID_ARG_TYPE' });
  assert.equal(set('a', 1, {}), 'OK');
  assert.equal(set('a', 1, { ttl: undefined }), 'OK');
  assert.equal(memory.sync.ttl('a'), Number.POSITIVE_INFINITY);
});

test('a failed set with options and a callback makes no unhandled rejection', LIMIT, async () => {
  const { output } = await runNode([
    '-e',
    `const memory = require('./index.js');
     memory.set('a', 1, { ttl: -1 }, (error) => console.log(error.code));
     memory.set('a', () => 1, { ttl: 1 }, (error) => console.log(error.code));`,
  ]);
  assert.equal(output, 'ERR_OUT_OF_RANGE\nERR_INVALID_ARG_TYPE\n');
});

test('the callbacks of a namespace are called too', LIMIT, async () => {
  const space = memory.namespace('callbacks');
  assert.deepEqual(await told((done) => space.set('a', 1, { ttl: 60_000 }, done)), [['OK']]);
  assert.deepEqual(await told((done) => space.get('a', done)), [[1]]);
  assert.deepEqual(await told((done) => space.remove('a', done)), [['OK']]);
});
