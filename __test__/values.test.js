'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');

/** Come back as they were, in both modes.
 * @type {unknown[]}
 */
const EXACT = [
  undefined,
  null,
  true,
  false,
  0,
  -0,
  1,
  -1.5,
  2 ** 53,
  Number.MAX_VALUE,
  Number.MIN_VALUE,
  Number.NaN,
  Number.POSITIVE_INFINITY,
  Number.NEGATIVE_INFINITY,
  '',
  'text',
  'one-byte \u00e9\u00ff',
  'two-byte \u65e5\u672c \ud83d\ude00',
  'lone \ud83d surrogate',
  'a\0b',
  '{"not":"parsed"}',
  Buffer.from([0, 1, 254, 255]),
  Buffer.alloc(0),
  new Uint8Array([3, 2, 1]),
  new Uint8Array(0),
  {},
  [],
  { name: 'Tom', age: 10, tags: ['a', null, 'two-byte \u65e5'], deep: { deeper: { x: -1e-7 } } },
  // biome-ignore lint/suspicious/noThenProperty: it must not be taken for a promise
  { then: 1, constructor: 'c', length: 5 },
  ['lone \ud83d surrogate', ''],
];

const DATE = new Date(0);

/** What JSON makes of values: [set, got]. */
const AS_JSON = [
  [DATE, '1970-01-01T00:00:00.000Z'],
  [/x/g, {}],
  [new Map([[1, 2]]), {}],
  [new Set([1]), {}],
  [new Error('lost'), {}],
  [
    [Number.NaN, Number.POSITIVE_INFINITY, -0, undefined],
    [null, null, 0, null],
  ],
  [{ gone: undefined, kept: null }, { kept: null }],
  [{ bytes: Buffer.from('ab') }, { bytes: { type: 'Buffer', data: [97, 98] } }],
  [new Float64Array([1.5]), { 0: 1.5 }],
  [new String('boxed'), 'boxed'],
];

const LOOP = /** @type {Record<string, unknown>} */ ({});
LOOP.self = LOOP;

/** What only a structured clone can hold. */
const AS_CLONE = [
  DATE,
  /x/g,
  new Map([[{ a: 1 }, new Set([1, 'b'])]]),
  new RangeError('kept'),
  [Number.NaN, Number.POSITIVE_INFINITY, -0, undefined],
  { gone: undefined, kept: null },
  { bytes: Buffer.from('ab'), more: new Uint8Array([1]) },
  new Float64Array([1.5, -0]),
  10n ** 30n,
  LOOP,
];

test('values come back as they were, in mode json', async () => {
  for (const value of EXACT) await comesBack(value, value);
});

test('objects of mode json come back as JSON says', async () => {
  for (const [value, expected] of AS_JSON) await comesBack(value, expected);
});

test('instances of classes come back as plain objects in mode json', async () => {
  class Point {
    x = 1;
    length() {
      return this.x;
    }
  }
  await comesBack(new Point(), { x: 1 });
});

test('toJSON is honoured in mode json', async () => {
  await comesBack({ secret: 1, toJSON: () => ({ shown: 2 }) }, { shown: 2 });
  await comesBack({ toJSON: () => 'text' }, 'text');
  await comesBack({ toJSON: () => undefined }, undefined);
  assert.equal(await memory.has('value'), true);
});

test('JSON refuses BigInts and cycles with its own TypeError, and nothing is changed', async () => {
  await memory.set('value', 'before');
  await assert.rejects(memory.set('value', 10n), { name: 'TypeError', message: /BigInt/ });
  await assert.rejects(memory.set('value', { n: 10n }), { name: 'TypeError', message: /BigInt/ });
  await assert.rejects(memory.set('value', LOOP), { name: 'TypeError', message: /circular/ });
  assert.equal(await memory.get('value'), 'before');
});

test('a function or a symbol as value is a TypeError that names it', async () => {
  const code = 'ERR_INVALID_ARG_TYPE';
  const wanted = 'The "value" argument must be a value that can be stored.';
  await assert.rejects(
    memory.set('value', function add() {}),
    { name: 'TypeError', code, message: `${wanted} Received function add` },
  );
  await assert.rejects(memory.set('value', Symbol('s')), {
    name: 'TypeError',
    code,
    message: `${wanted} Received type symbol (Symbol(s))`,
  });
});

test('a value that is read is a copy', async () => {
  const value = { list: [1] };
  await memory.set('value', value);
  value.list.push(2);
  const first = await memory.get('value');
  first.list.push(3);
  assert.deepEqual(await memory.get('value'), { list: [1] });

  const bytes = Buffer.from([1, 2]);
  await memory.set('value', bytes);
  bytes[0] = 9;
  const read = await memory.get('value');
  read[1] = 9;
  assert.deepEqual(await memory.get('value'), Buffer.from([1, 2]));
});

test('bytes are those of the view and not of what it is a view of', async () => {
  const whole = new Uint8Array([1, 2, 3, 4]);
  await comesBack(whole.subarray(1, 3), new Uint8Array([2, 3]));
  await comesBack(Buffer.from('abcdef').subarray(2, 4), Buffer.from('cd'));
  const shared = new Uint8Array(new SharedArrayBuffer(4));
  shared.set([1, 2, 3, 4]);
  await comesBack(shared.subarray(2), new Uint8Array([3, 4]));
});

test('values come back as they were, in mode advanced', async () => {
  memory.configure({ mode: 'advanced' });
  for (const value of [...EXACT, ...AS_CLONE]) await comesBack(value, value);
  const { bytes } = /** @type {any} */ (await stored({ bytes: Buffer.from('ab') }));
  assert.equal(Buffer.isBuffer(bytes), true);
  memory.configure({ mode: 'json' });
});

test('what cannot be cloned is refused in mode advanced', async () => {
  memory.configure({ mode: 'advanced' });
  for (const value of [() => 1, Symbol('s'), { run() {} }, { toJSON: () => 1 }]) {
    await assert.rejects(memory.set('value', value), /could not be cloned/);
  }
  memory.configure({ mode: 'json' });
});

test('a value is read as it was stored, whatever the mode is now', async () => {
  await memory.set('as json', { at: DATE });
  memory.configure({ mode: 'advanced' });
  await memory.set('as clone', { at: DATE });
  assert.deepEqual(await memory.get('as json'), { at: DATE.toJSON() });
  memory.configure({ mode: 'json' });
  assert.deepEqual(await memory.get('as clone'), { at: DATE });
});

test('values come back as they were from another process', async () => {
  const said = await run(
    {
      primary: async ({ memory, input, workers, say }) => {
        for (const [index, value] of input.entries()) await memory.set(index, value);
        await workers();
        say(
          await Promise.all(
            input.map((/** @type {any} */ _, /** @type {number} */ index) =>
              memory.get(`back ${index}`),
            ),
          ),
        );
      },
      worker: async ({ memory, input, say }) => {
        say(
          await Promise.all(
            input.map((/** @type {any} */ _, /** @type {number} */ index) => memory.get(index)),
          ),
        );
        for (const [index, value] of input.entries()) await memory.set(`back ${index}`, value);
      },
    },
    { input: EXACT },
  );
  assert.deepEqual(said, [EXACT, EXACT]);
});

test("the cluster's serialization: 'advanced' makes mode advanced the default", async () => {
  const said = await run({
    primary: async ({ cluster, memory, workers, say }) => {
      await memory.set('before', new Date(0));
      cluster.setupPrimary({ serialization: 'advanced' });
      await memory.set('after', new Date(0));
      await workers();
      say([await memory.get('before'), await memory.get('after'), await memory.get('worker')]);
    },
    worker: async ({ memory }) => {
      await memory.set('worker', new Date(0));
    },
  });
  assert.deepEqual(said, [[DATE.toJSON(), DATE, DATE]]);
});

/** @param {unknown} value @param {unknown} expected */
async function comesBack(value, expected) {
  const result = await stored(value);
  assert.deepEqual(result, expected);
  assert.equal(Buffer.isBuffer(result), Buffer.isBuffer(expected));
}

/** @param {unknown} value */
async function stored(value) {
  await memory.set('value', value);
  const result = await memory.get('value');
  assert.deepEqual(memory.sync.get('value'), result);
  return result;
}
