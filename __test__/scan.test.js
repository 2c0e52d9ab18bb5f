'use strict';

// Going through all keys: each exactly once, whatever others do meanwhile.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

const LIMIT = { timeout: 60_000 };

/** All that an iterator gives. @template T @param {AsyncIterable<T>} iterable */
async function all(iterable) {
  /** @type {T[]} */
  const list = [];
  for await (const one of iterable) list.push(one);
  return list;
}

test('keys and entries give all keys once, in both forms and every place', LIMIT, async () => {
  await saysEverywhere(
    async ({ memory, say }) => {
      await memory.clear();
      for (let i = 0; i < 3000; i += 1) memory.sync.set(`k${i}`, { i });
      const keys = [];
      for await (const key of memory.keys()) keys.push(key);
      const entries = [];
      for await (const entry of memory.entries()) entries.push(entry);
      for (const list of [keys, [...memory.sync.keys()]]) say([list.length, new Set(list).size]);
      for (const list of [entries, [...memory.sync.entries()]]) {
        const right = list.every(([key, { i }]) => key === `k${i}`);
        say([list.length, new Map(list).size, right]);
      }
    },
    [
      [3000, 3000],
      [3000, 3000],
      [3000, 3000, true],
      [3000, 3000, true],
    ],
  );
});

test('a prefix chooses by UTF-16 units, narrow and wide', LIMIT, async () => {
  const parts = [
    'a',
    'b',
    '\u00e9',
    '\u00ff',
    '\u0100',
    '\u0161',
    '\u4e2d',
    '\ud800',
    '\ude00',
    '\0',
  ];
  const keys = new Set(['', ...parts]);
  for (const one of parts) for (const two of parts) keys.add(one + two).add(`a${two}${one}b`);
  await memory.clear();
  for (const key of keys) memory.sync.set(key, key);
  const none = ['none', 'a'.repeat(2000), '\u4e2d'.repeat(2000), 'x'.repeat(100_000)];
  for (const prefix of [...keys, ...none]) {
    const expected = [...keys].filter((key) => key.startsWith(prefix)).sort();
    assert.deepEqual([...memory.sync.keys({ prefix })].sort(), expected, JSON.stringify(prefix));
    const entries = await all(memory.entries({ prefix }));
    assert.deepEqual(entries.map(([key]) => key).sort(), expected);
    assert.ok(entries.every(([key, value]) => key === value));
  }
});

test('without a prefix, or with an empty one, all are given', LIMIT, async () => {
  await memory.clear();
  await memory.setMany({ '': 1, a: 2, '\u4e2d': 3 });
  for (const options of [undefined, {}, { prefix: undefined }, { prefix: '' }]) {
    assert.deepEqual((await all(memory.keys(options))).sort(), ['', 'a', '\u4e2d']);
    assert.deepEqual([...memory.sync.keys(options)].sort(), ['', 'a', '\u4e2d']);
  }
});

test('a loop may be left early, by break, return and throw', LIMIT, async () => {
  await memory.clear();
  for (let i = 0; i < 1000; i += 1) memory.sync.set(`k${i}`, i);
  const iterator = memory.keys();
  for await (const key of iterator) {
    assert.match(key, /^k\d+$/);
    break;
  }
  assert.deepEqual(await iterator.next(), { value: undefined, done: true });
  const now = memory.sync.entries();
  now.next();
  assert.equal(now.return?.(undefined).done, true);
  assert.deepEqual(now.next(), { value: undefined, done: true });
  const error = new Error('mine');
  const failing = memory.entries();
  await assert.rejects(async () => {
    for await (const _ of failing) throw error;
  }, error);
  assert.equal((await failing.next()).done, true);
  assert.equal((await all(memory.keys())).length, 1000);
});

test('iterators do not disturb each other, nor do calls in between', LIMIT, async () => {
  await memory.clear();
  for (let i = 0; i < 2000; i += 1) memory.sync.set(`k${i}`, i);
  const iterators = [memory.keys(), memory.sync.keys(), memory.entries(), memory.sync.entries()];
  const lists = iterators.map(() => /** @type {string[]} */ ([]));
  let left = iterators.length;
  for (let turn = 0; left > 0; turn += 1) {
    left = 0;
    for (const [i, iterator] of iterators.entries()) {
      const { value, done } = await iterator.next();
      if (!done) lists[i].push(typeof value === 'string' ? value : value[0]);
      if (!done) left += 1;
      memory.sync.get(`k${turn % 2000}`);
      memory.sync.set('k0', turn);
      if (turn % 100 === 0) await memory.getMany(['k1', 'none']);
    }
  }
  for (const list of lists) assert.deepEqual([list.length, new Set(list).size], [2000, 2000]);
});

test('calls of next that do not wait for each other give each key once', LIMIT, async () => {
  await memory.clear();
  for (let i = 0; i < 700; i += 1) memory.sync.set(`k${i}`, i);
  const iterator = memory.keys();
  const results = await Promise.all(Array.from({ length: 701 }, () => iterator.next()));
  assert.equal(new Set(results.map(({ value }) => value)).size, 701);
  assert.deepEqual(results[700], { value: undefined, done: true });
});

test(
  'entries gives each value as it is when it is given, and none that is gone',
  LIMIT,
  async () => {
    for (const entries of [() => memory.entries(), () => memory.sync.entries()]) {
      await memory.clear();
      for (let i = 0; i < 100; i += 1) memory.sync.set(`k${i}`, 'old');
      const seen = [];
      for await (const [key, value] of entries()) {
        seen.push(value);
        if (seen.length > 1) continue;
        for (let i = 0; i < 100; i += 1) {
          if (i < 50 || `k${i}` === key) memory.sync.set(`k${i}`, 'new');
          else if (i < 75) memory.sync.remove(`k${i}`);
          else memory.sync.set(`k${i}`, 'ends', { ttl: 1 });
        }
        const start = performance.now();
        while (performance.now() - start < 5);
      }
      assert.equal(seen[0], 'old');
      assert.deepEqual(new Set(seen.slice(1)), new Set(['new']));
      assert.ok(seen.length === 50 || seen.length === 51, `${seen.length}`);
    }
  },
);

test('all keys that a loop meets may be removed in it', LIMIT, async () => {
  await memory.clear();
  for (let i = 0; i < 5000; i += 1) memory.sync.set(`k${i}`, i);
  let count = 0;
  for await (const key of memory.keys()) {
    count += 1;
    await memory.remove(key);
  }
  assert.deepEqual([count, await memory.size(), [...memory.sync.keys()]], [5000, 0, []]);
});

test('the event loop turns while many keys are gone through', LIMIT, async () => {
  await memory.clear();
  for (let i = 0; i < 20_000; i += 1) memory.sync.set(`k${i}`, i);
  for (const work of [() => all(memory.keys()), () => memory.clear()]) {
    let turns = 0;
    let isOver = false;
    const turn = () => {
      turns += 1;
      if (!isOver) setImmediate(turn);
    };
    setImmediate(turn);
    await work();
    isOver = true;
    assert.ok(turns >= 10, `${turns} turns`);
  }
  assert.equal(await memory.size(), 0);
});

test('keys of namespaces, of the cache and of the package are never given', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await memory.set('mine', 1);
      const space = memory.namespace('space');
      await space.set('of space', 1);
      await memory.namespace('namespace:').set('other', 1);
      await memory.setLRU('of the cache', 1);
      await memory.getLock('locked');
      memory.listen('listened', () => {});
      say([[...memory.sync.keys()], [...space.sync.entries()], await memory.size()]);
      await workers();
    },
    worker: async ({ memory, say }) => {
      say([...memory.sync.keys({ prefix: 'n' })]);
      say([[...memory.namespace('none').sync.keys()], [...memory.sync.entries()]]);
    },
  });
  assert.deepEqual(said, [[['mine'], [['of space', 1]], 1], [], [[], [['mine', 1]]]]);
});
