'use strict';

// Entries that end: nobody gets one after its end, and its memory comes back.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { setTimeout: sleep } = require('node:timers/promises');
const memory = require('../index.js');
const { saysEverywhere } = require('./places.js');

const LIMIT = { timeout: 60_000 };
const FOR_EVER = Number.POSITIVE_INFINITY;
const TTL_MS = 50;

/** Waits for so long at least: the clock of timers may be a little ahead. @param {number} ms */
async function pass(ms) {
  const start = performance.now();
  while (performance.now() - start < ms) await sleep(Math.max(1, ms - performance.now() + start));
}

test('nobody gets an entry after its end, in whatever way', LIMIT, async () => {
  await saysEverywhere(
    async ({ memory, sleep, say }) => {
      const { sync } = memory;
      await memory.clear();
      await memory.set('ends', { n: 1 }, { ttl: 50 });
      await memory.set('stays', 2);
      // Read three times, so that it is kept decoded.
      for (let i = 0; i < 3; i += 1) sync.get('ends');
      const start = performance.now();
      while (performance.now() - start < 50) await sleep(5);
      say([await memory.get('ends'), sync.get('ends'), await memory.has('ends')]);
      say([await memory.getMany(['ends', 'stays']), await memory.getWithVersion('ends')]);
      say([[...sync.keys()], [...sync.entries()]]);
      const keys = [];
      for await (const key of memory.keys()) keys.push(key);
      const entries = [];
      for await (const entry of memory.entries()) entries.push(entry);
      say([keys, entries]);
      say([await memory.ttl('ends'), await memory.touch('ends', 1000)]);
      say([await memory.replace('ends', 3), await memory.removeMany(['ends'])]);
      say(await memory.getAndRemove('ends'));
    },
    [
      [undefined, undefined, false],
      [[undefined, 2], { value: undefined, version: 0 }],
      [['stays'], [['stays', 2]]],
      [['stays'], [['stays', 2]]],
      [undefined, false],
      [false, 0],
      undefined,
    ],
  );
});

test('after its end a key is as one that never was', LIMIT, async () => {
  /** @type {Array<[string, () => Promise<unknown>, unknown]>} */
  const calls = [
    ['add', () => memory.add('e', 'new'), true],
    ['incr', () => memory.incr('e', 5), 5],
    ['decr', () => memory.decr('e'), -1],
    ['getAndSet', () => memory.getAndSet('e', 'new'), undefined],
    ['compareAndSet', () => memory.compareAndSet('e', 0, 'new'), true],
    ['update', () => memory.update('e', (old) => `${old}`), 'undefined'],
  ];
  for (const [name, call, expected] of calls) {
    await memory.set('e', name === 'incr' ? 100 : 'old', { ttl: 60_000 });
    const { version } = await memory.getWithVersion('e');
    await memory.touch('e', TTL_MS);
    await pass(TTL_MS);
    assert.equal(await memory.compareAndSet('e', version, 'late'), false, name);
    assert.equal(await call(), expected, name);
    assert.equal(await memory.ttl('e'), FOR_EVER, name);
    assert.notEqual((await memory.getWithVersion('e')).version, version, name);
  }
});

test('an entry is there until its end', LIMIT, async () => {
  await memory.set('e', 1, { ttl: 3_600_000 });
  assert.equal(await memory.get('e'), 1);
  const left = Number(await memory.ttl('e'));
  assert.ok(left > 3_000_000 && left <= 3_600_000, `${left}`);
  await memory.set('e', 1, { ttl: 0.25 });
  await pass(1);
  assert.equal(await memory.has('e'), false);
});

test('every call that sets takes a ttl', LIMIT, async () => {
  const ttl = 60_000;
  await memory.clear();
  await memory.add('add', 1, { ttl });
  await memory.set('replace', 1);
  await memory.replace('replace', 1, { ttl });
  await memory.getAndSet('getAndSet', 1, { ttl });
  await memory.compareAndSet('compareAndSet', 0, 1, { ttl });
  await memory.update('update', () => 1, { ttl });
  await memory.incr('incr', 1, { ttl });
  await memory.decr('decr', 1, { ttl });
  await memory.setMany({ setMany: 1 }, { ttl });
  memory.sync.set('sync', 1, { ttl });
  const keys = [...memory.sync.keys()];
  assert.equal(keys.length, 9);
  for (const key of keys) {
    const left = Number(await memory.ttl(key));
    assert.ok(left > 0 && left <= ttl, `${key}: ${left}`);
  }
});

test('a set without a ttl makes an entry stay, of every kind', LIMIT, async () => {
  for (const value of [1, 'text', { a: 1 }]) {
    for (const again of [value, 2, 'other']) {
      await memory.set('e', value, { ttl: TTL_MS });
      await memory.set('e', again);
      assert.equal(await memory.ttl('e'), FOR_EVER);
      await pass(TTL_MS);
      assert.deepEqual(await memory.get('e'), again);
    }
  }
});

test('a set with a ttl makes an entry end that stayed', LIMIT, async () => {
  for (const value of [1, 'text']) {
    await memory.set('e', value);
    await memory.set('e', value, { ttl: TTL_MS });
    await pass(TTL_MS);
    assert.equal(await memory.has('e'), false);
  }
});

test('touch puts the end off, brings it near, or takes it away', LIMIT, async () => {
  await memory.set('e', { a: 1 }, { ttl: 2000 });
  const { version } = await memory.getWithVersion('e');
  assert.equal(await memory.touch('e', 60_000), true);
  await pass(2000);
  assert.deepEqual(await memory.getWithVersion('e'), { value: { a: 1 }, version });
  assert.equal(await memory.touch('e', FOR_EVER), true);
  assert.equal(memory.sync.ttl('e'), FOR_EVER);
  assert.equal(memory.sync.touch('e', TTL_MS), true);
  await pass(TTL_MS);
  assert.equal(await memory.has('e'), false);
  assert.equal(await memory.touch('e', TTL_MS), false);
});

test('the ttl of incr counts from the first, and later ones put nothing off', LIMIT, async () => {
  const ttl = 150;
  const start = performance.now();
  assert.equal(await memory.incr('rate', 1, { ttl }), 1);
  let count = 1;
  // Each is either the next of those before the end, or the first of the next ones.
  while (performance.now() - start < 3 * ttl) {
    const now = await memory.incr('rate', 1, { ttl });
    if (now === 1 && count > 1) break;
    count += 1;
    assert.equal(now, count);
    await sleep(1);
  }
  assert.ok(performance.now() - start >= ttl - 1);
  assert.ok(performance.now() - start < 3 * ttl || count === 1);
  assert.ok(Number(await memory.ttl('rate')) <= ttl);
});

test('the ttl of incr leaves a number alone that is there for ever', LIMIT, async () => {
  await memory.set('n', 5);
  assert.equal(await memory.incr('n', 1, { ttl: TTL_MS }), 6);
  assert.equal(await memory.ttl('n'), FOR_EVER);
});

test('an incr without a ttl keeps the end', LIMIT, async () => {
  await memory.incr('kept', 1, { ttl: 2000 });
  assert.equal(await memory.incr('kept'), 2);
  await pass(2000);
  assert.equal(await memory.has('kept'), false);
});

test('a failed call does not change the end', LIMIT, async () => {
  await memory.set('text', 'text', { ttl: 2000 });
  await assert.rejects(memory.incr('text', 1), { code: 'ERR_NOT_A_NUMBER' });
  assert.equal(await memory.add('text', 1), false);
  assert.equal(await memory.compareAndSet('text', 2 ** 52, 1), false);
  await pass(2000);
  assert.equal(await memory.has('text'), false);
});
