'use strict';

// How much memory a namespace may have.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');

const LIMIT = { timeout: 60_000 };
const VALUE = 'x'.repeat(500);

/** Sets keys until there is no room, and gives how many. @param {any} space @param {string} prefix */
function fill(space, prefix = 'k') {
  for (let i = 0; ; i += 1) {
    try {
      space.sync.set(`${prefix}${i}`, VALUE);
    } catch (error) {
      const { code } = /** @type {any} */ (error);
      assert.equal(code, 'ERR_OUT_OF_MEMORY');
      return i;
    }
  }
}

test(
  'a namespace holds what its bound allows, and then rejects with the figures',
  LIMIT,
  async () => {
    const space = memory.namespace('bounded', { maxMemory: '64kb' });
    const count = fill(space);
    assert.ok(count > 64 && count < 131, `${count}`);
    await assert.rejects(space.set('more', VALUE), (/** @type {any} */ error) => {
      assert.equal(error.code, 'ERR_OUT_OF_MEMORY');
      assert.equal(error.maximum, 65_536);
      assert.ok(error.need > 500 && error.need > error.free && error.free >= 0);
      return true;
    });
    assert.equal(await space.has('more'), false);
    const { namespaces } = await memory.stats();
    const stats = namespaces.find(({ name }) => name === 'bounded');
    assert.ok(stats && stats.bytes <= 65_536 && stats.entries === count);
  },
);

test(
  'in a full namespace all that sets a new key fails, and what needs no more goes on',
  LIMIT,
  async () => {
    const space = memory.namespace('full', { maxMemory: '16kb' });
    const count = fill(space);
    for (let i = 0; fill(space, `small ${i}`) > 0; i += 1);
    await space.set('k0', 'y'.repeat(500));
    await space.set('k0', 'short');
    await space.set('k0', VALUE);
    await space.setMany({ k1: VALUE, k2: 1 });
    await space.getAndSet('k3', VALUE);
    assert.equal(await space.update('k4', () => VALUE), VALUE);
    assert.equal(await space.incr('k2'), 2);
    await space.set('k2', VALUE);
    const full = { code: 'ERR_OUT_OF_MEMORY', maximum: 16_384 };
    const large = 'z'.repeat(20_000);
    for (const call of [
      () => space.add('new', large),
      () => space.getAndSet('k5', large),
      () => space.getAndSet('new', large),
      () => space.update('k5', () => large),
      () => space.replace('k5', large),
      () => space.compareAndSet('new', 0, large),
      () => space.setMany({ new: large }),
    ]) {
      await assert.rejects(call(), full);
    }
    assert.deepEqual([await space.get('k5'), await space.has('new')], [VALUE, false]);
    await space.remove('k0');
    await space.set('new', VALUE);
    assert.equal([...space.sync.keys()].filter((key) => key.startsWith('k')).length, count - 1);
  },
);

test('a full namespace leaves the others alone', LIMIT, async () => {
  const space = memory.namespace('narrow', { maxMemory: '4kb' });
  fill(space);
  await memory.set('large', 'x'.repeat(100_000));
  await memory.namespace('wide').set('large', 'x'.repeat(100_000));
  const other = memory.namespace('other', { maxMemory: '16kb' });
  assert.ok(fill(other) > 16);
});

test('the bound that was said last counts, in every process', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, say, failure }) => {
      const space = memory.namespace('space', { maxMemory: '8kb' });
      const value = 'x'.repeat(10_000);
      say((await failure(() => space.set('a', value))).maximum);
      await workers();
      say(await space.set('a', value));
      say((await memory.stats()).namespaces[0].maximum);
      memory.namespace('space', { maxMemory: 4096 });
      say([(await space.get('a')) === value, (await failure(() => space.set('b', 1))).free]);
      say(await space.set('a', value));
      memory.namespace('space');
      say((await failure(() => space.set('b', 1))).maximum);
    },
    worker: async ({ memory }) => {
      memory.namespace('space', { maxMemory: '1 MiB' });
    },
  });
  assert.deepEqual(said, [8192, 'OK', 2 ** 20, [true, 0], 'OK', 4096]);
});

test('what has ended in a full namespace makes room for what comes', LIMIT, async () => {
  const space = memory.namespace('ends', { maxMemory: '16kb' });
  for (let i = 0; i < 20; i += 1) space.sync.set(`k${i}`, VALUE, { ttl: 1000 });
  const start = performance.now();
  while (performance.now() - start < 1000);
  assert.ok(fill(space, 'new') > 16);
});

test('four workers that fill a namespace at once exceed its bound by little', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      memory.namespace('space', { maxMemory: '256kb' });
      await memory.has('anything');
      await workers(4);
      say((await memory.stats()).namespaces[0].bytes);
    },
    worker: async ({ cluster, memory, say }) => {
      const space = memory.namespace('space');
      let refused = 0;
      for (let i = 0; i < 1000; i += 1) {
        try {
          space.sync.set(`${cluster.worker?.id} ${i}`, 'x'.repeat(500));
        } catch {
          refused += 1;
        }
      }
      say(refused > 0);
    },
  });
  const bytes = said.pop();
  assert.deepEqual(said, [true, true, true, true]);
  assert.ok(bytes > 200 * 1024 && bytes <= 256 * 1024 + 4 * 1024, `${bytes}`);
});
