'use strict';

// Reading writes nothing that others see, but for the reader's own count of its reads. Shown on the
// whole segment: the primary compares every word of it before and after a worker has read a million
// times.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

const timeout = 90_000;
/** Of the segment, as in docs/design.md and src/segment/layout/words.rs, in bytes. */
const LAYOUT = { members: 4096, slot: 256, wake: 64, reads: 192 };
/** A member counts its reads so many at a time. */
const COUNTED_AT_ONCE = 64;
const MILLION = 1_000_000;

/** @typedef {{ does: 'read' | 'write', valueCache: number }} Order */
/**
 * @typedef {object} Comparison
 * @property {{ at: number, by: number }[]} changed words
 * @property {{ reads: number, writes: number, latchWaits: number }} counted by stats()
 * @property {number} slot where that of the worker begins
 * @property {number} length
 */

/**
 * Has a worker do something, and compares the segment and its counters before and after.
 * @param {Order} order
 * @returns {Promise<Comparison>}
 */
async function compare(order) {
  const input = { order, layout: LAYOUT, reads: MILLION };
  const [found] = await run({ primary, worker }, { input, timeoutMs: timeout - 10_000 });
  return found;
}

/** @type {import('./program.js').Job} */
const primary = async (t) => {
  const fs = require('node:fs');
  const { sync } = t.memory;
  const { layout } = t.input;
  t.memory.configure({ maxMemory: '16mb' });
  sync.set('object', { name: 'Tom', list: [1, 2, 3] });
  sync.set('long', { text: 'x'.repeat(100_000) });
  sync.set('string', 'hello');
  sync.set('number', 42);
  sync.set('ends', 'later', { ttl: 3_600_000 });
  const maps = fs.readFileSync('/proc/self/maps', 'utf8').split('\n');
  const [range] = maps.filter((line) => line.includes('/memfd:') && line.includes(' rw-s '));
  const [start, end] = range.split(/[- ]/).map((address) => Number.parseInt(address, 16));
  const words = () => {
    const words = new BigUint64Array((end - start) / 8);
    const fd = fs.openSync('/proc/self/mem', 'r');
    const read = fs.readSync(fd, words, 0, words.byteLength, start);
    fs.closeSync(fd);
    if (read !== words.byteLength) throw new Error(`read ${read} bytes of ${words.byteLength}`);
    return words;
  };

  const worker = t.fork();
  const answer = () => new Promise((resolve) => worker.once('message', resolve));
  await answer();
  const before = await t.memory.stats();
  const { id } = before.members.find(({ pid }) => pid === worker.process.pid) ?? { id: -1 };
  const slot = layout.members + id * layout.slot;
  // The worker's wake thread starts beside it, and then says that it sleeps.
  await t.until(() => (words()[(slot + layout.wake) / 8] >> 31n) & 1n);
  const wordsBefore = words();
  worker.send(t.input);
  await answer();
  const wordsAfter = words();
  const after = await t.memory.stats();
  worker.send('end');
  await t.ended(worker);

  const changed = [];
  for (const [index, word] of wordsAfter.entries()) {
    const by = BigInt.asIntN(64, word - wordsBefore[index]);
    if (by !== 0n) changed.push({ at: index * 8, by: Number(by) });
  }
  const counted = {
    reads: after.operations.reads - before.operations.reads,
    writes: after.operations.writes - before.operations.writes,
    latchWaits: after.latchWaits - before.latchWaits,
  };
  t.say({ changed, counted, slot, length: end - start });
};

/** @type {import('./program.js').Job} */
const worker = async (t) => {
  const { sync } = t.memory;
  const order = () => new Promise((resolve) => process.once('message', resolve));
  const keys = ['object', 'string', 'number', 'ends', 'nothing'];
  const kinds = [
    ...keys.map((key) => () => sync.get(key)),
    () => sync.has('object'),
    () => sync.has('nothing'),
    () => sync.ttl('ends'),
    () => sync.getWithVersion('object'),
    () => sync.getMany(keys),
  ];
  sync.get('nothing');
  const ordered = order();
  process.send?.('ready');
  const { reads, order: what } = await ordered;
  t.memory.configure({ valueCache: what.valueCache });
  if (what.does === 'write') {
    sync.set('number', 43);
  } else {
    for (let times = 0; times < reads; times += 1) kinds[times % kinds.length]();
    for (let times = 0; times < 1000; times += 1) sync.get('long');
  }
  const ended = order();
  process.send?.('done');
  await ended;
};

test('a million reads change one word of the segment: how many they were', {
  timeout,
}, async () => {
  const { changed, counted, slot, length } = await compare({ does: 'read', valueCache: 0 });
  assert.ok(length > 2 ** 23);
  const [{ by }] = changed;
  assert.deepEqual(changed, [{ at: slot + LAYOUT.reads, by }]);
  assert.equal(by % COUNTED_AT_ONCE, 0);
  assert.ok(by > MILLION);
  // `stats` looks something up too.
  assert.ok(counted.reads >= by && counted.reads < by + COUNTED_AT_ONCE);
  assert.deepEqual([counted.writes, counted.latchWaits], [0, 0]);
});

test('nor do reads of values that the reader keeps decoded change more', { timeout }, async () => {
  const { changed, counted, slot } = await compare({ does: 'read', valueCache: 2 ** 23 });
  assert.ok(changed.every(({ at }) => at === slot + LAYOUT.reads));
  assert.deepEqual([counted.writes, counted.latchWaits], [0, 0]);
});

test('the same comparison sees a single write', { timeout }, async () => {
  const { changed, counted, slot } = await compare({ does: 'write', valueCache: 0 });
  const elsewhere = changed.filter(({ at }) => at < slot || at >= slot + LAYOUT.slot);
  assert.ok(elsewhere.length > 1);
  assert.equal(counted.writes, 1);
});
