'use strict';

// The LRU cache of those that share by a name: any of them may choose its options.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { hostOf, newName, startAll } = require('./group-family.js');

const BRIEF = { timeout: 60_000 };

/** @typedef {InstanceType<typeof import('./group-family.js').Peer>} Peer */

/** @param {import('node:test').TestContext} t @param {number} count */
const members = (t, count) => startAll(t, count, { name: newName() });

/** @type {import('./group-peer.js').Job} */
const getAll = ({ memory }, keys) => Promise.all(keys.map(memory.getLRU));

test('the order of uses is that of all members', BRIEF, async (t) => {
  const [one, other] = await members(t, 2);
  await one.do(({ memory }) => memory.setLRUOptions({ max: 3 }));
  await other.do(async ({ memory }) => {
    for (const key of ['a', 'b', 'c']) await memory.setLRU(key, key);
  });
  await one.do(({ memory }) => memory.getLRU('a'));
  await other.do(({ memory }) => memory.setLRU('d', 'd'));
  for (const peer of [one, other]) {
    assert.deepEqual(await peer.do(getAll, ['a', 'b', 'c', 'd']), ['a', undefined, 'c', 'd']);
  }
});

test('who chooses the same options goes on with the cache as it is', BRIEF, async (t) => {
  const [one, other] = await members(t, 2);
  const choose = /** @type {import('./group-peer.js').Job} */ (
    ({ memory }, options) => memory.setLRUOptions(options)
  );
  const options = { max: 5, maxAge: 60_000, stale: true };
  await one.do(choose, options);
  await one.do(({ memory }) => memory.setLRU('a', 1));
  await other.do(choose, options);
  assert.deepEqual(await one.do(getAll, ['a']), [1]);
  // Others: a new cache, for all.
  await other.do(choose, { ...options, max: 6 });
  assert.deepEqual(await one.do(getAll, ['a']), [undefined]);
  await one.do(({ memory }) => memory.setLRU('b', 1));
  assert.deepEqual(await other.do(getAll, ['b']), [1]);
});

test(
  'every member that has chosen measures what it sets, and others have it measured',
  BRIEF,
  async (t) => {
    const [one, other, third] = await members(t, 3);
    /** @type {import('./group-peer.js').Job} */
    const choose = ({ memory, left }) => {
      left.measured = [];
      const length = (/** @type {string} */ value, /** @type {string} */ key) => {
        left.measured.push(key);
        return value.length;
      };
      memory.setLRUOptions({ max: 10, length });
    };
    await one.do(choose);
    await other.do(choose);
    await one.do(({ memory }) => memory.setLRU('a', 'four'));
    await other.do(({ memory }) => memory.setLRU('b', 'fours'));
    await third.do(({ memory }) => memory.setLRU('c', 'x'));
    // 4 + 5 + 1: all are in, and one more does not go in beside them.
    assert.deepEqual(await one.do(getAll, ['a', 'b', 'c']), ['four', 'fours', 'x']);
    await other.do(({ memory }) => memory.setLRU('d', 'y'));
    assert.deepEqual(await third.do(getAll, ['a', 'b', 'c', 'd']), [undefined, 'fours', 'x', 'y']);
    const measured = [];
    for (const peer of [one, other]) measured.push(await peer.do(({ left }) => left.measured));
    assert.ok(measured[0].includes('a') && measured[1].includes('b') && measured[1].includes('d'));
    assert.equal(measured.flat().filter((key) => key === 'c').length, 1);
    assert.equal(measured.flat().length, 4);
  },
);

test('who has chosen other options since is the one who measures', BRIEF, async (t) => {
  const [one, other] = await members(t, 2);
  await one.do(({ memory }) => memory.setLRUOptions({ max: 100, length: () => 60 }));
  await other.do(({ memory }) => memory.setLRUOptions({ max: 50, length: () => 20 }));
  await one.do(async ({ memory }) => {
    for (const key of ['a', 'b', 'c']) await memory.setLRU(key, key);
  });
  assert.deepEqual(await other.do(getAll, ['a', 'b', 'c']), [undefined, 'b', 'c']);
});

test(
  'dispose is called in the last that has chosen, in order, for what anybody does',
  BRIEF,
  async (t) => {
    const [one, other] = await members(t, 2);
    /** @type {import('./group-peer.js').Job} */
    const choose = ({ memory, left }) => {
      left.disposed = [];
      memory.setLRUOptions({
        max: 2,
        dispose: (key, value) => left.disposed.push([key, value]),
      });
    };
    await one.do(choose);
    await one.do(({ memory }) => memory.setLRU('a', 1));
    await other.do(choose);
    await one.do(async ({ memory }) => {
      await memory.setLRU('b', 2);
      await memory.setLRU('c', 3);
      await memory.removeLRU('b');
    });
    const heard = await other.do(async ({ left, until }) => {
      await until(() => left.disposed.length >= 2);
      return left.disposed;
    });
    assert.deepEqual(heard, [
      ['a', 1],
      ['b', 2],
    ]);
    assert.deepEqual(await one.do(({ left }) => left.disposed), []);
  },
);

test('the cache outlives the host, and who has chosen its options', BRIEF, async (t) => {
  const peers = await members(t, 3);
  await peers[0].do(async ({ memory }) => {
    memory.setLRUOptions({ max: 3, length: () => 1, dispose: () => {} });
    for (const key of ['a', 'b', 'c']) await memory.setLRU(key, key);
  });
  await peers[1].do(({ memory }) => memory.getLRU('a'));
  await peers[2].do(({ memory }) => memory.getLRU('a'));
  const { host, others } = await hostOf(peers);
  assert.equal(host, peers[0]);
  await host.kill();
  const [one, other] = others;
  assert.deepEqual(await one.do(getAll, ['b', 'c', 'a']), ['b', 'c', 'a']);
  // Whoever chooses the same goes on with it, and measures again.
  await other.do(({ memory }) =>
    memory.setLRUOptions({ max: 3, length: () => 1, dispose: () => {} }),
  );
  await one.do(({ memory }) => memory.setLRU('d', 'd'));
  assert.deepEqual(await other.do(getAll, ['a', 'b', 'c', 'd']), ['a', undefined, 'c', 'd']);
});

test('in a cluster that shares by a name, a worker may choose options', BRIEF, async (t) => {
  const [primary, plain] = await members(t, 2);
  await primary.do(async ({ memory, fork, ask }) => {
    await memory.setLRU('a', 1);
    await ask(await fork(), async ({ memory }) => {
      await memory.getLRU('a');
      memory.setLRUOptions({ max: 1 });
      await memory.setLRU('b', 1);
    });
  });
  await plain.do(({ memory }) => memory.setLRU('c', 1));
  assert.deepEqual(await primary.do(getAll, ['a', 'b', 'c']), [undefined, undefined, 1]);
});
