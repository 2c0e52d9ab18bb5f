'use strict';

// The calls on one key beyond get and set: what each gives, as a promise and at once, in every place
// and in both modes.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

/** @typedef {Parameters<import('./program.js').Job>[0]} Tools */

const LIMIT = { timeout: 60_000 };

/** What every call gives; `t.input` says which of the two forms is called. @param {Tools} tools */
async function everyCall({ memory, input, say }) {
  const calls = /** @type {any} */ (input === 'sync' ? memory.sync : memory);
  await memory.clear();
  say([await calls.add('a', { n: 1 }), await calls.add('a', 2), await calls.get('a')]);
  say([await calls.replace('a', [3]), await calls.replace('none', 4), await calls.has('none')]);
  say([await calls.getAndSet('a', 'text'), await calls.getAndSet('b', Buffer.from('b'))]);
  say([await calls.getAndRemove('a'), await calls.getAndRemove('a'), await calls.get('b')]);
  say([await calls.incr('n'), await calls.decr('n'), await calls.decr('n', 5), calls.name]);
  say([await calls.touch('n', 60_000), await calls.touch('none', 1), await calls.ttl('none')]);
  const left = await calls.ttl('n');
  say([left > 0 && left <= 60_000, await calls.touch('n', Number.POSITIVE_INFINITY)]);
  say(await calls.ttl('n'));
  const { value, version } = await calls.getWithVersion('n');
  say([value, Number.isSafeInteger(version), await calls.getWithVersion('none')]);
  say([await calls.compareAndSet('n', version, 7), await calls.compareAndSet('n', version, 8)]);
  say([await calls.compareAndSet('none', version, 1), await calls.compareAndSet('none', 0, 1)]);
  say(await calls.update('n', (/** @type {number} */ n) => n + 1));
  say(await calls.update('fresh', (/** @type {unknown} */ old) => ({ old })));
  say(await calls.get('fresh'));
  say([await calls.size(), await calls.clear(), await calls.size(), await calls.get('n')]);
}

const WHAT_IT_SAYS = [
  [true, false, { n: 1 }],
  [true, false, false],
  [[3], undefined],
  ['text', undefined, Buffer.from('b')],
  [1, 0, -5, undefined],
  [true, false, undefined],
  [true, true],
  Number.POSITIVE_INFINITY,
  [-5, true, { value: undefined, version: 0 }],
  [true, false],
  [false, true],
  8,
  { old: undefined },
];

for (const mode of /** @type {const} */ (['json', 'advanced'])) {
  for (const form of ['promise', 'sync']) {
    test(`every call gives what it says in every place: ${form}, ${mode}`, LIMIT, async () => {
      const kept = mode === 'json' ? {} : { old: undefined };
      const expected = [...WHAT_IT_SAYS, kept, [4, 'OK', 0, undefined]];
      const env = mode === 'json' ? {} : { TEST_SERIALIZATION: mode };
      await saysEverywhere(everyCall, expected, { input: form, env });
    });
  }
}

test('the synchronous calls are no promises', LIMIT, () => {
  const { sync } = memory;
  assert.equal(sync.add('sync', 1), true);
  assert.equal(sync.getAndRemove('sync'), 1);
  assert.deepEqual(sync.getMany(['sync']), [undefined]);
  assert.equal(typeof sync.size(), 'number');
  assert.equal(sync.clear(), 'OK');
});

test('the new methods work detached from the object', LIMIT, async () => {
  const { add, replace, getAndSet, getAndRemove, incr, decr, touch, ttl, update } = memory;
  const { getWithVersion, compareAndSet, getMany, setMany, removeMany, size, clear } = memory;
  const { keys, entries, namespace, sync } = memory;
  await clear();
  assert.equal(await add('d', 1), true);
  assert.equal(await replace('d', 2), true);
  assert.equal(await getAndSet('d', 3), 2);
  assert.deepEqual([await incr('d'), await decr('d', 2)], [4, 2]);
  assert.equal(await update('d', (n) => n * 2), 4);
  const { version } = await getWithVersion('d');
  assert.equal(await compareAndSet('d', version, 5), true);
  assert.equal(await touch('d', 1e6), true);
  assert.ok(Number(await ttl('d')) > 0);
  await setMany({ e: 6 });
  assert.deepEqual(await getMany(['d', 'e']), [5, 6]);
  const found = [];
  for await (const key of keys({ prefix: 'd' })) found.push(key);
  for await (const entry of entries({ prefix: 'e' })) found.push(entry);
  assert.deepEqual(found, ['d', ['e', 6]]);
  const { set, sync: ofSpace } = namespace('detached');
  await set('x', 1);
  assert.equal(ofSpace.get('x'), 1);
  const { keys: keysNow, size: sizeNow } = sync;
  assert.deepEqual([[...keysNow()].sort(), sizeNow()], [['d', 'e'], 2]);
  assert.equal(await removeMany(['d', 'e', 'f']), 2);
  assert.deepEqual([await getAndRemove('d'), await size()], [undefined, 0]);
});

test('undefined is a value for every call', LIMIT, async () => {
  await memory.clear();
  assert.equal(await memory.add('u', undefined), true);
  assert.equal(await memory.add('u', 1), false);
  assert.equal(await memory.replace('u', undefined), true);
  const { value, version } = await memory.getWithVersion('u');
  assert.deepEqual([value, version > 0], [undefined, true]);
  assert.equal(await memory.compareAndSet('u', version, undefined), true);
  assert.equal(await memory.update('u', () => undefined), undefined);
  assert.equal(await memory.has('u'), true);
  assert.deepEqual(Array.from(memory.sync.entries()), [['u', undefined]]);
  assert.equal(await memory.getAndRemove('u'), undefined);
  assert.equal(await memory.has('u'), false);
});

test('what getAndSet and getAndRemove give is a copy of any kind of value', LIMIT, async () => {
  const values = [1, -0, 'text', 'wide \u4e2d', { a: [1] }, Buffer.from('b'), null, true, 'x'];
  await memory.set('kind', undefined);
  /** @type {unknown} */
  let before;
  for (const value of values) {
    assert.deepEqual(await memory.getAndSet('kind', value), before);
    before = value;
  }
  const long = 'long '.repeat(100_000);
  assert.equal(memory.sync.getAndSet('kind', { long }), 'x');
  assert.deepEqual(memory.sync.getAndRemove('kind'), { long });
});

test('a listener hears the changes of every call, in their order', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, until, say }) => {
      /** @type {unknown[]} */
      const heard = [];
      memory.listen('key', (value) => heard.push(value));
      await workers();
      await until(() => heard.at(-1) === 'end');
      say(heard);
    },
    worker: async ({ memory }) => {
      await memory.add('key', 1);
      await memory.add('key', 'not');
      await memory.replace('key', 2);
      await memory.getAndSet('key', 3);
      await memory.decr('key');
      const { version } = await memory.getWithVersion('key');
      await memory.compareAndSet('key', version, 4);
      await memory.compareAndSet('key', version, 'not');
      await memory.touch('key', 60_000);
      await memory.update('key', () => 5);
      await memory.setMany([['key', 6]]);
      await memory.getAndRemove('key');
      await memory.set('key', 7, { ttl: 60_000 });
      await memory.removeMany(['key']);
      await memory.set('key', 8);
      await memory.clear();
      await memory.set('key', 'end');
    },
  });
  const gone = undefined;
  assert.deepEqual(said, [[1, 2, 3, 2, 4, 5, 6, gone, 7, gone, 8, gone, 'end']]);
});
