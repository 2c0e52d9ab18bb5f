'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');

const UNUSUAL = [
  '',
  ' ',
  '__proto__',
  'constructor',
  'toString',
  'a\0b',
  '\0',
  'k\u00e9y',
  '\u65e5\u672c',
  '\ud83d\ude00',
  '\ud83d',
  '\ude00',
  'x'.repeat(2000),
  '\u65e5'.repeat(2000),
];

test('every string is an ordinary key of its own', async () => {
  for (const key of UNUSUAL) {
    assert.equal(await memory.get(key), undefined);
    assert.equal(await memory.has(key), false);
  }
  for (const [index, key] of UNUSUAL.entries()) await memory.set(key, index);
  for (const [index, key] of UNUSUAL.entries()) assert.equal(await memory.get(key), index);
  for (const key of UNUSUAL) await memory.remove(key);
  for (const key of UNUSUAL) assert.equal(await memory.has(key), false);
});

test('every string is the same key in all processes', async () => {
  const said = await run(
    {
      primary: async ({ memory, input, workers, say }) => {
        for (const [index, key] of input.entries()) memory.sync.set(key, index);
        await workers();
        say(input.map((/** @type {string} */ key) => memory.sync.has(key)));
      },
      worker: async ({ memory, input, say }) => {
        say(input.map((/** @type {string} */ key) => memory.sync.get(key)));
        for (const key of input) await memory.remove(key);
      },
    },
    { input: UNUSUAL },
  );
  assert.deepEqual(said, [UNUSUAL.map((_, index) => index), UNUSUAL.map(() => false)]);
});

test('numbers and booleans are the keys that they print as', async () => {
  for (const key of [1, 1.5, -0, Number.NaN, true, false]) {
    await memory.set(key, `under ${key}`);
    assert.equal(await memory.get(String(key)), `under ${key}`);
    assert.equal(memory.sync.get(key), `under ${key}`);
    await memory.remove(key);
  }
});

const WRONG = /** @type {Array<[any, string]>} */ ([
  [undefined, 'undefined'],
  [null, 'null'],
  [{}, 'an instance of Object'],
  [['a'], 'an instance of Array'],
  [Object.create(null), '[Object: null prototype] {}'],
  [new (class Place {})(), 'an instance of Place'],
  [Symbol('s'), 'type symbol (Symbol(s))'],
  [10n, 'type bigint (10n)'],
  [function f() {}, 'function f'],
]);

for (const [key, received] of WRONG) {
  test(`a key that is ${received} is a TypeError`, async () => {
    const expected = {
      name: 'TypeError',
      code: 'ERR_INVALID_ARG_TYPE',
      message: `The "key" argument must be of type string, number or boolean. Received ${received}`,
    };
    await assert.rejects(memory.get(key), expected);
    await assert.rejects(memory.set(key, 1), expected);
    await assert.rejects(memory.remove(key), expected);
    await assert.rejects(memory.has(key), expected);
    await assert.rejects(memory.incr(key), expected);
    assert.throws(() => memory.sync.get(key), expected);
    assert.throws(() => memory.sync.set(key, 1), expected);
    assert.throws(() => memory.sync.remove(key), expected);
    assert.throws(() => memory.sync.has(key), expected);
    assert.throws(() => memory.sync.incr(key), expected);
  });
}

test('a key of more than 2000 units is a RangeError', async () => {
  const expected = { name: 'RangeError', code: 'ERR_KEY_TOO_LONG', length: 2001, maximum: 2000 };
  const key = 'x'.repeat(2001);
  await assert.rejects(memory.get(key), expected);
  await assert.rejects(memory.set(key, 1), expected);
  await assert.rejects(memory.remove(key), expected);
  await assert.rejects(memory.has(key), expected);
  await assert.rejects(memory.incr(key), expected);
});
