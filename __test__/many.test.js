'use strict';

// Many keys by one call.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');

const LIMIT = { timeout: 60_000 };

test('getMany gives the values in the order of the keys, which may repeat', LIMIT, async () => {
  await memory.setMany({ a: { n: 1 }, b: undefined, 1: 'one' });
  const expected = [{ n: 1 }, undefined, undefined, 'one', { n: 1 }];
  const keys = ['a', 'b', 'none', 1, 'a'];
  assert.deepEqual(await memory.getMany(keys), expected);
  assert.deepEqual(memory.sync.getMany(keys), expected);
  const [first, , , , again] = await memory.getMany(keys);
  assert.notEqual(first, again);
  assert.deepEqual(await memory.getMany([]), []);
});

test('keys may be any iterable, which is gone through once', LIMIT, async () => {
  await memory.setMany({ a: 1, b: 2 });
  let times = 0;
  function* keys() {
    times += 1;
    yield* ['a', 'b'];
  }
  assert.deepEqual(await memory.getMany(keys()), [1, 2]);
  assert.deepEqual(await memory.getMany(new Set(['b', 'a'])), [2, 1]);
  assert.deepEqual(memory.sync.getMany(new Map([['a', 0]]).keys()), [1]);
  assert.equal(await memory.removeMany(keys()), 2);
  assert.equal(times, 2);
});

test('entries may be pairs, a Map or an object', LIMIT, async () => {
  assert.equal(
    await memory.setMany([
      ['p', 1],
      ['q', { a: 1 }],
    ]),
    'OK',
  );
  assert.equal(memory.sync.setMany(new Map([['r', 2]])), 'OK');
  assert.equal(await memory.setMany({ s: 3 }), 'OK');
  const bare = Object.assign(Object.create(null), { t: 4 });
  assert.equal(await memory.setMany(bare), 'OK');
  assert.equal(await memory.setMany(Object.entries({ u: 5 })), 'OK');
  assert.deepEqual(await memory.getMany('pqrstu'.split('')), [1, { a: 1 }, 2, 3, 4, 5]);
  const odd = JSON.parse('{"__proto__":"kept","":"empty"}');
  await memory.setMany(odd);
  assert.deepEqual(await memory.getMany(['__proto__', '']), ['kept', 'empty']);
  assert.equal(await memory.setMany([]), 'OK');
  assert.equal(await memory.setMany({}), 'OK');
});

test('of a key that is given twice the last value stays', LIMIT, async () => {
  await memory.setMany([
    ['twice', 1],
    ['twice', 2],
  ]);
  assert.equal(await memory.get('twice'), 2);
  assert.equal(await memory.removeMany(['twice', 'twice', 'none']), 1);
});

test('a value that cannot be stored rejects before any is set', LIMIT, async () => {
  await memory.removeMany(['x', 'y']);
  const wrong = /** @type {any} */ ([
    ['x', 1],
    ['y', () => 1],
  ]);
  await assert.rejects(memory.setMany(wrong), { code: 'ERR_INVALID_ARG_TYPE' });
  await assert.rejects(
    memory.setMany([
      ['x', 1],
      ['y', 1n],
    ]),
    TypeError,
  );
  await assert.rejects(
    memory.setMany([
      ['x', 1],
      ['k'.repeat(2001), 1],
    ]),
    {
      code: 'ERR_KEY_TOO_LONG',
    },
  );
  assert.deepEqual(memory.sync.getMany(['x', 'y']), [undefined, undefined]);
});

test('what an iterable throws is passed on, and nothing is done', LIMIT, async () => {
  await memory.set('x', 1);
  const error = new Error('mine');
  function* keys() {
    yield 'x';
    throw error;
  }
  await assert.rejects(memory.removeMany(keys()), error);
  assert.throws(() => memory.sync.getMany(keys()), error);
  assert.equal(await memory.has('x'), true);
});

test('values are packed when setMany is called, and each is a copy', LIMIT, async () => {
  const value = { list: [1] };
  const bytes = Buffer.from([1]);
  const promise = memory.setMany([
    ['v', value],
    ['b', bytes],
    ['w', value],
  ]);
  value.list.push(2);
  bytes[0] = 2;
  await promise;
  const expected = [{ list: [1] }, { list: [1] }, Buffer.from([1])];
  assert.deepEqual(await memory.getMany(['v', 'w', 'b']), expected);
});

test('a memory that becomes full rejects, and those before are set and heard', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, say, failure }) => {
      memory.configure({ maxMemory: '16mb' });
      /** @type {unknown[]} */
      const heard = [];
      memory.listen('first', (value) => heard.push(value));
      const large = 'x'.repeat(4 * 2 ** 20);
      const entries = Array.from({ length: 8 }, (_, i) => [`k${i}`, large]);
      const { code } = await failure(() =>
        memory.setMany([['first', 1], .../** @type {any} */ (entries), ['last', 2]]),
      );
      say([code, heard, await memory.getMany(['first', 'last'])]);
      say((await memory.get('k0')) === large);
    },
  });
  assert.deepEqual(said, [['ERR_OUT_OF_MEMORY', [1], [1, undefined]], true]);
});

test('ten thousand at once come back from another process and from a thread', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, thread, say }) => {
      const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}`);
      await memory.setMany(new Map(keys.map((key, i) => [key, { i }])));
      await workers();
      await thread();
      say([await memory.removeMany(keys), await memory.size()]);
    },
    worker: ({ job }) => job('readers'),
    thread: ({ job }) => job('readers'),
    readers: async ({ memory, say }) => {
      const keys = Array.from({ length: 10_000 }, (_, i) => `k${i}`);
      const values = await memory.getMany(keys);
      say(values.every((value, i) => value.i === i) && values.length === 10_000);
    },
  });
  assert.deepEqual(said, [true, true, [10_000, 0]]);
});
