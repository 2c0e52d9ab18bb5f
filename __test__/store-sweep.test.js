'use strict';

// Entries that have ended leave by themselves, whoever set them and whatever became of that process.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

const LIMIT = { timeout: 60_000 };

test('what has ended leaves by itself, and its memory comes back', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, until, say }) => {
      await memory.set('stays', 1);
      const space = memory.namespace('ends');
      await space.remove('none');
      const before = await memory.stats();
      for (let i = 0; i < 20_000; i += 1) {
        memory.sync.set(`k${i}`, { text: 'x'.repeat(200) }, { ttl: 100 });
        if (i % 10 === 0) space.sync.set(`k${i}`, i, { ttl: 100 });
      }
      const full = await memory.stats();
      await until(async () => (await memory.stats()).entries <= 1);
      const after = await memory.stats();
      say([full.bytes.entries > before.bytes.entries, after.bytes.entries <= before.bytes.entries]);
      say([await memory.size(), await space.size(), await memory.get('stays')]);
      const [{ entries, bytes }] = after.namespaces;
      say([entries, bytes]);
    },
  });
  assert.deepEqual(said, [
    [true, true],
    [1, 0, 1],
    [0, 0],
  ]);
});

test('listeners hear of the end as of a removal, once, and not before', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, until, say }) => {
      /** @type {unknown[]} */
      const heard = [];
      memory.listen('e', (value) => heard.push(value));
      const space = memory.namespace('some');
      /** @type {unknown[]} */
      const inSpace = [];
      space.listen('e', (value) => inSpace.push(value));
      const start = performance.now();
      await workers();
      await until(() => heard.length >= 2 && inSpace.length >= 2);
      say(performance.now() - start >= 200);
      await memory.set('e', 2);
      await memory.remove('e');
      await until(() => heard.length >= 4);
      say([heard, inSpace]);
    },
    worker: async ({ memory }) => {
      await memory.set('e', 1, { ttl: 200 });
      await memory.namespace('some').set('e', 'other', { ttl: 200 });
    },
  });
  assert.deepEqual(said, [
    true,
    [
      [1, undefined, 2, undefined],
      ['other', undefined],
    ],
  ]);
});

test('who listens in the thread that set it hears of the end too', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers }) => {
      await memory.has('anything');
      await workers();
    },
    worker: async ({ memory, until, say }) => {
      /** @type {unknown[]} */
      const heard = [];
      memory.listen('e', (value) => heard.push(value));
      await memory.set('e', 1, { ttl: 50 });
      await until(() => heard.length >= 2);
      say(heard);
    },
  });
  assert.deepEqual(said, [[1, undefined]]);
});

test('what a process has set that was killed ends too', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, fork, kill, until, say }) => {
      const worker = fork();
      await until(() => memory.has('stays'));
      await kill(worker);
      await until(async () => (await memory.stats()).entries === 1);
      say([await memory.get('e'), await memory.get('stays')]);
    },
    worker: async ({ memory, sleep }) => {
      for (let i = 0; i < 100; i += 1) await memory.set(`e${i}`, { i }, { ttl: 300 });
      await memory.set('e', 1, { ttl: 300 });
      await memory.set('stays', 1);
      await sleep(50_000);
    },
  });
  assert.deepEqual(said, [[undefined, 1]]);
});

test('what a process has set that is stopped ends too, and for itself as well', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, say }) => {
      const worker = fork();
      await until(() => memory.has('ready'));
      worker.process.kill('SIGSTOP');
      await until(async () => (await memory.stats()).entries === 1);
      say(await memory.get('e'));
      worker.process.kill('SIGCONT');
      await memory.set('go on', true);
      await ended(worker);
    },
    worker: async ({ memory, until, say }) => {
      await memory.set('e', { a: 1 }, { ttl: 500 });
      for (let i = 0; i < 3; i += 1) memory.sync.get('e');
      await memory.set('ready', true);
      await until(() => memory.has('go on'));
      say([memory.sync.get('e'), memory.sync.has('e'), memory.sync.ttl('e')]);
    },
  });
  assert.deepEqual(said, [undefined, [undefined, false, undefined]]);
});

test('what has ended makes room in a full memory', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, say, failure }) => {
      memory.configure({ maxMemory: '16mb' });
      const value = 'x'.repeat(1000);
      const fill = (/** @type {object | undefined} */ options) => {
        let count = 0;
        for (;;) {
          try {
            memory.sync.set(`k${count}`, value, /** @type {any} */ (options));
            count += 1;
          } catch (error) {
            return [count, /** @type {any} */ (error).code];
          }
        }
      };
      const [count, code] = fill({ ttl: 3000 });
      say(code);
      await memory.touch('k0', Number.POSITIVE_INFINITY);
      // The event loop does not turn, and the hub has not been asked.
      const end = performance.now() + 3000;
      while (performance.now() < end);
      for (let i = 0; i < count / 2; i += 1) memory.sync.set(`new ${i}`, value);
      say([memory.sync.get('k0') === value, memory.sync.get('k1')]);
      const { maximum } = await failure(() => memory.set('more', 'x'.repeat(17 * 2 ** 20)));
      say(maximum <= 16 * 2 ** 20);
    },
  });
  assert.deepEqual(said, ['ERR_OUT_OF_MEMORY', [true, undefined], true]);
});
