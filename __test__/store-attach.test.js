'use strict';

// The calls beyond get and set in a worker whose primary does not have the package yet: they wait,
// keep their order, and use their arguments as they were when they were made.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

/** @typedef {Parameters<import('./program.js').Job>[0]} Tools */

const LIMIT = { timeout: 60_000 };

/** Loads the package when the worker has asked. @param {Tools} t */
async function lateToLoad(t) {
  const worker = t.cluster.fork();
  await new Promise((resolve) => worker.once('message', resolve));
  await t.sleep(100);
  await t.memory.has('anything');
  await t.ended(worker);
}

test('calls that wait happen in their order, with the values as they were', LIMIT, async () => {
  const said = await run({
    primary: lateToLoad,
    worker: async ({ memory, say }) => {
      const object = { list: [1] };
      const bytes = Buffer.from([1]);
      const list = ['a', 'b'];
      const options = { ttl: 60_000 };
      const entries = { c: object, d: 4 };
      const calls = [
        memory.add('a', object),
        memory.add('a', 2),
        memory.getAndSet('b', bytes),
        memory.replace('b', object, options),
        memory.getMany(list),
        memory.setMany(entries, options),
        memory.getMany(['c', 'd']),
        memory.compareAndSet('e', 0, bytes),
        memory.getWithVersion('e').then(({ value }) => value),
        memory.incr('n', 5, options),
        memory.decr('n', 2),
        memory.set('f', object, options),
        memory.touch('d', Number.POSITIVE_INFINITY),
        memory.ttl('d'),
        memory.getAndRemove('a'),
        memory.removeMany(list),
        memory.has('b'),
        memory.size(),
        memory.get('f'),
      ];
      object.list.push(2);
      bytes[0] = 2;
      list.push('c');
      entries.d = 5;
      options.ttl = Number.POSITIVE_INFINITY;
      /** @type {any} */ (process).send('asked');
      const results = await Promise.all(calls);
      const ttls = await Promise.all(['c', 'f', 'n'].map((key) => memory.ttl(key)));
      say([...results, ttls.every((ttl) => Number(ttl) <= 60_000)]);
    },
  });
  const [object, bytes] = [{ list: [1] }, Buffer.from([1])];
  assert.deepEqual(said, [
    [
      ...[true, false, undefined, true, [object, object], 'OK', [object, 4], true, bytes],
      ...[5, 3, 'OK', true, Number.POSITIVE_INFINITY, object, 1, false, 5, object],
      true,
    ],
  ]);
});

test('update, keys, entries and clear wait too', LIMIT, async () => {
  const said = await run({
    primary: lateToLoad,
    worker: async ({ memory, say }) => {
      const first = memory.update('n', (n) => (n ?? 0) + 1);
      const entry = memory.entries({ prefix: 'n' }).next();
      const key = memory.keys().next();
      /** @type {any} */ (process).send('asked');
      say([await first, await entry, await key]);
      say([await memory.clear(), await memory.size()]);
    },
  });
  assert.equal(said[0][0], 1);
  assert.deepEqual(said[1], ['OK', 0]);
});

test('the namespace and its bound wait too', LIMIT, async () => {
  const said = await run({
    primary: lateToLoad,
    worker: async ({ memory, say, failure }) => {
      const space = memory.namespace('early', { maxMemory: '64kb' });
      const calls = [space.set('a', 1), space.get('a'), memory.has('a'), space.size()];
      const mutex = space.mutex('a', () => 'locked');
      /** @type {unknown[]} */
      const heard = [];
      space.listen('b', (value) => heard.push(value));
      /** @type {any} */ (process).send('asked');
      say(await Promise.all([...calls, mutex]));
      const { code, maximum } = await failure(() => space.set('large', 'x'.repeat(100_000)));
      say([code, maximum]);
      await space.set('b', 2);
      say(heard);
    },
  });
  assert.deepEqual(said, [['OK', 1, false, 1, 'locked'], ['ERR_OUT_OF_MEMORY', 65_536], [2]]);
});

test('wrong arguments are errors at once, though nothing is attached', LIMIT, async () => {
  const said = await run({
    primary: async ({ workers }) => {
      await workers();
    },
    worker: async ({ memory, say, failure }) => {
      const calls = /** @type {any} */ (memory);
      /** @type {Array<[string, ...unknown[]]>} */
      const wrong = [
        ['add', {}, 1],
        ['replace', 'a', () => 1],
        ['getAndSet', 'a', 1, { ttl: '1' }],
        ['getAndRemove'],
        ['compareAndSet', 'a', '1', 1],
        ['getWithVersion', null],
        ['update', 'a', 1],
        ['update', 'a', () => 1, { ttl: '1' }],
        ['incr', 'a', 1, { ttl: '1' }],
        ['decr', 'a', 1, { ttl: '1' }],
        ['touch', 'a', '1'],
        ['ttl', undefined],
        ['getMany', 'a'],
        ['setMany', [['a', () => 1]]],
        ['removeMany', [{}]],
        ['set', 'a', 1, { ttl: '1' }],
      ];
      const start = performance.now();
      const codes = [];
      for (const [name, ...args] of wrong)
        codes.push((await failure(() => calls[name](...args))).code);
      // For less than what a call waits for the primary.
      say([new Set(codes), performance.now() - start < 5000]);
    },
  });
  assert.deepEqual(said, [[new Set(['ERR_INVALID_ARG_TYPE']), true]]);
});

test(
  'without a primary that has the package, everything fails with ERR_NO_PRIMARY',
  LIMIT,
  async () => {
    const said = await run({
      primary: async ({ workers }) => {
        await workers();
      },
      worker: async ({ memory, say, failure }) => {
        const { sync } = memory;
        const space = memory.namespace('none');
        const atOnce = [
          () => sync.add('a', 1),
          () => sync.set('a', 1, { ttl: 5 }),
          () => sync.getMany(['a']),
          () => sync.setMany({ a: 1 }),
          () => sync.update('a', () => 1),
          () => sync.keys().next(),
          () => sync.entries().next(),
          () => sync.size(),
          () => sync.clear(),
          () => space.sync.get('a'),
        ];
        const waiting = [
          memory.add('a', 1),
          memory.update('a', () => 1),
          memory.getMany(['a']),
          memory.keys().next(),
          memory.entries().next(),
          memory.clear(),
          memory.size(),
          space.get('a'),
        ].map((promise) => failure(() => promise));
        for (const call of atOnce) say((await failure(call)).code);
        for (const error of await Promise.all(waiting)) say(error.code);
      },
    });
    assert.deepEqual(said, Array(18).fill('ERR_NO_PRIMARY'));
  },
);
