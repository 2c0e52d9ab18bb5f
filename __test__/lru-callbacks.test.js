'use strict';

// The options of the LRU that are functions, dispose and length: they are called in the primary,
// whoever causes it.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { SERVANTS } = require('./lru-places.js');

test('dispose hears what goes: evicted, expired, overwritten, removed', async () => {
  const said = await run({
    primary: async ({ memory, job, sleep, until, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      for (const place of [memory, worker, thread]) {
        const gone = /** @type {unknown[][]} */ ([]);
        const dispose = (/** @type {unknown[]} */ ...args) => gone.push(args);
        memory.setLRUOptions({ max: 2, dispose });
        for (const key of ['a', 'b', 'c']) await place.setLRU(key, { first: key });
        await place.setLRU('c', { second: 'c' });
        await place.getLRU('b');
        await place.removeLRU('c');
        await place.removeLRU('c');
        await until(() => gone.length === 3);
        memory.setLRUOptions({ maxAge: 1, dispose });
        await place.setLRU('d', 4);
        await sleep(20);
        await place.getLRU('d');
        await until(() => gone.length === 4);
        say(gone);
      }
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  const gone = [
    ['a', { first: 'a' }],
    ['c', { first: 'c' }],
    ['c', { second: 'c' }],
    ['d', 4],
  ];
  assert.deepEqual(said, [gone, gone, gone]);
});

test('noDisposeOnSet: dispose does not hear what is overwritten', async () => {
  const said = await run({
    primary: async ({ memory, job, until, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      const gone = /** @type {unknown[][]} */ ([]);
      const dispose = (/** @type {unknown[]} */ ...args) => gone.push(args);
      memory.setLRUOptions({ noDisposeOnSet: true, dispose });
      for (const place of [worker, thread, memory]) await place.setLRU('a', 1);
      await worker.removeLRU('a');
      await until(() => gone.length > 0);
      say(gone);
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  assert.deepEqual(said, [[['a', 1]]]);
});

test('dispose hears what several workers evict at once, each item once', async () => {
  const said = await run({
    primary: async ({ memory, workers, until, say }) => {
      const gone = /** @type {string[]} */ ([]);
      memory.setLRUOptions({ max: 10, dispose: (/** @type {any} */ key) => gone.push(key) });
      await workers(2);
      await until(() => gone.length >= 1990);
      say([gone.length, new Set(gone).size]);
      const mine = gone.filter((key) => key.startsWith('1 ')).map((key) => Number(key.slice(2)));
      say(mine.every((number, i) => i === 0 || number > mine[i - 1]));
    },
    worker: async ({ memory, cluster }) => {
      for (let i = 0; i < 1000; i++) await memory.setLRU(`${cluster.worker?.id} ${i}`, i);
    },
  });
  assert.deepEqual(said, [[1990, 1990], true]);
});

test('dispose may use the memory itself', async () => {
  const said = await run({
    primary: async ({ memory, workers, until, say }) => {
      memory.setLRUOptions({
        max: 2,
        dispose: (/** @type {any} */ key, /** @type {any} */ value) => {
          memory.sync.incr('gone');
          memory.set(`gone ${key}`, value);
        },
      });
      for (const key of ['a', 'b', 'c']) await memory.setLRU(key, key);
      await workers();
      await until(() => memory.sync.get('gone') === 3);
      say(await Promise.all(['a', 'b', 'c'].map((key) => memory.get(`gone ${key}`))));
    },
    worker: async ({ memory }) => {
      for (const key of ['d', 'e']) await memory.setLRU(key, key);
    },
  });
  assert.deepEqual(said, [['a', 'b', 'c']]);
});

test('max bounds the sum of lengths, which the primary finds for everybody', async () => {
  const said = await run({
    primary: async ({ memory, job, until, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      for (const place of [memory, worker, thread]) {
        const asked = /** @type {unknown[][]} */ ([]);
        const gone = /** @type {unknown[]} */ ([]);
        memory.setLRUOptions({
          max: 10,
          length: (/** @type {any} */ value, /** @type {unknown} */ key) => {
            asked.push([value, key]);
            return value.length;
          },
          dispose: (/** @type {unknown} */ key) => gone.push(key),
        });
        await place.setLRU('a', 'x'.repeat(4));
        await place.setLRU('b', 'x'.repeat(4));
        await place.setLRU('c', 'x');
        await place.setLRU('d', 'xx');
        await until(() => gone.length === 1);
        say([gone, asked.map(([value, key]) => `${key}${/** @type {string} */ (value).length}`)]);
      }
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  assert.deepEqual(said, Array(3).fill([['a'], ['a4', 'b4', 'c1', 'd2']]));
});

test('an item longer than max is not stored, and what stood there goes', async () => {
  const said = await run({
    primary: async ({ memory, job, until, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      for (const place of [memory, worker, thread]) {
        const gone = /** @type {unknown[]} */ ([]);
        memory.setLRUOptions({
          max: 3,
          length: (/** @type {string} */ value) => value.length,
          dispose: (/** @type {any} */ key, /** @type {any} */ value) => gone.push(key + value),
        });
        await place.setLRU('a', 'xx');
        say([await place.setLRU('a', 'long'), await place.getLRU('a')]);
        say([await place.setLRU('b', 'long'), await place.getLRU('b')]);
        await until(() => gone.length === 2);
        say(gone);
      }
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  const each = [
    ['OK', undefined],
    ['OK', undefined],
    ['axx', 'blong'],
  ];
  assert.deepEqual(said, [...each, ...each, ...each]);
});

test('operations of one worker keep their order while the primary finds the lengths', async () => {
  const said = await run({
    primary: async ({ memory, workers }) => {
      memory.setLRUOptions({ length: () => 1 });
      await workers();
    },
    worker: async ({ memory, say }) => {
      const results = await Promise.all([
        memory.setLRU('a', 1),
        memory.getLRU('a'),
        memory.setLRU('a', 2),
        memory.removeLRU('a'),
        memory.getLRU('a'),
        memory.setLRU('a', 3),
        memory.getLRU('a'),
      ]);
      say(results);
    },
  });
  assert.deepEqual(said, [['OK', 1, 'OK', 'OK', undefined, 'OK', 3]]);
});

test('what length throws rejects the setLRU that asked, and nothing else', async () => {
  const said = await run({
    primary: async ({ memory, workers, job }) => {
      memory.setLRUOptions({ length: (/** @type {string} */ value) => value.trim().length });
      await job('here');
      await workers();
    },
    worker: ({ job }) => job('here'),
    here: async ({ memory, say, failure }) => {
      await memory.setLRU('a', 'before');
      say((await failure(() => memory.setLRU('a', 5))).message);
      say([await memory.getLRU('a'), await memory.setLRU('b', 'fine'), await memory.getLRU('b')]);
    },
  });
  const [first, , third] = said;
  assert.match(first, /trim/);
  assert.match(third, /trim/);
  assert.deepEqual([said[1], said[3]], Array(2).fill(['before', 'OK', 'fine']));
});

test('a setLRU that needs the primary does not wait for ever for one that has closed', async () => {
  const said = await run(
    {
      primary: async ({ memory, fork, ended, until }) => {
        memory.setLRUOptions({ length: () => 1 });
        const worker = ended(fork());
        await until(() => memory.sync.has('ready'));
        await memory.close();
        await worker;
      },
      worker: async ({ memory, sleep, outcome, say }) => {
        await memory.set('ready', true);
        await sleep(100);
        say(await outcome(() => memory.setLRU('a', 1)));
      },
    },
    { timeoutMs: 30_000 },
  );
  assert.match(said[0], /^('OK'|SharedMemoryError ERR_\w+)$/);
});

test('a worker that is killed while it asks for a length disturbs nobody', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, kill, until, say }) => {
      memory.setLRUOptions({ length: () => 1 });
      const steady = ended(fork('steady'));
      for (let i = 1; i <= 5; i++) {
        const victim = fork('victim');
        await until(() => memory.sync.get('victims') === i);
        await kill(victim);
      }
      memory.sync.set('stop', true);
      await steady;
      say(await memory.getLRU('steady'));
    },
    victim: async ({ memory }) => {
      await memory.setLRU('a', 1);
      memory.sync.incr('victims');
      for (let i = 0; ; i++) await memory.setLRU(i % 10, 'x'.repeat(i % 3000));
    },
    steady: async ({ memory }) => {
      while (!memory.sync.has('stop')) await memory.setLRU('steady', 'so far');
      await memory.setLRU('steady', 'to the end');
    },
  });
  assert.deepEqual(said, ['to the end']);
});

test('dispose and length of the primary do not keep it or its workers alive', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      memory.setLRUOptions({ max: 1, length: () => 1, dispose: () => {} });
      await workers();
      say('ends');
    },
    worker: async ({ memory }) => {
      for (let i = 0; i < 10; i++) await memory.setLRU(i, i);
    },
  });
  assert.deepEqual(said, ['ends']);
});

test('a setter that somebody has put on Array.prototype may use the memory while dispose hears', async () => {
  const said = await run({
    primary: async ({ memory, until, say }) => {
      const gone = /** @type {unknown[][]} */ ([]);
      memory.setLRUOptions({ max: 1, dispose: (...args) => (gone[gone.length] = args) });
      for (const index of [0, 1]) {
        Object.defineProperty(Array.prototype, index, {
          configurable: true,
          set(value) {
            memory.sync.incr('calls');
            const own = { value, writable: true, configurable: true, enumerable: true };
            Object.defineProperty(this, index, own);
          },
        });
      }
      for (const key of ['a', 'b', 'c']) await memory.setLRU(key, key);
      await until(() => gone.length === 2);
      for (const index of [0, 1]) delete Array.prototype[index];
      say(gone);
    },
  });
  assert.deepEqual(said, [
    [
      ['a', 'a'],
      ['b', 'b'],
    ],
  ]);
});
