'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

test('a thread of the primary shares its store', async () => {
  const said = await run({
    primary: async ({ memory, thread, say }) => {
      await memory.set('from main', 1);
      await thread();
      say(await memory.get('from thread'));
    },
    thread: async ({ memory, say }) => {
      say(memory.sync.get('from main'));
      await memory.set('from thread', 2);
    },
  });
  assert.deepEqual(said, [1, 2]);
});

test('a thread of a worker shares the store of the cluster', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await memory.set('from primary', 1);
      await workers();
      say(await memory.get('from thread'));
    },
    worker: async ({ memory, thread, say }) => {
      await thread();
      say(await memory.get('from thread'));
    },
    thread: async ({ memory, say }) => {
      say(await memory.get('from primary'));
      await memory.set('from thread', 2);
    },
  });
  assert.deepEqual(said, [1, 2, 2]);
});

test('a thread of a worker finds the store though its main thread never loads the package', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await memory.set('from primary', 1);
      await workers();
      say(await memory.get('from thread'));
    },
    worker: async ({ thread }) => {
      await thread();
    },
    thread: async ({ memory, say }) => {
      say(await memory.get('from primary'));
      await memory.set('from thread', 2);
    },
  });
  assert.deepEqual(said, [1, 2]);
});

test('a thread alone makes the store of its process', async () => {
  const said = await run({
    primary: async (t) => {
      await t.thread();
      t.say(await t.memory.get('from thread'));
    },
    thread: async ({ memory }) => {
      await memory.set('from thread', 1);
    },
  });
  assert.deepEqual(said, [1]);
});

test('the store outlives the thread that made it, and serves workers', async () => {
  const said = await run({
    primary: async ({ thread, workers }) => {
      await thread();
      await workers();
    },
    thread: async ({ memory }) => {
      await memory.set('from thread', 1);
    },
    worker: async ({ memory, say }) => {
      say(await memory.get('from thread'));
    },
  });
  assert.deepEqual(said, [1]);
});

test('a thread does not undo what the main thread configured', async () => {
  const said = await run({
    primary: async ({ memory, thread, say }) => {
      memory.configure({ maxMemory: '32mb' });
      await thread();
      say((await memory.stats()).bytes.maximum <= 32 * 2 ** 20);
    },
    thread: async ({ memory, say }) => {
      say((await memory.stats()).bytes.maximum <= 32 * 2 ** 20);
    },
  });
  assert.deepEqual(said, [true, true]);
});

test('a main thread and four threads that use the store at once lose no increment', async () => {
  const said = await run({
    primary: async ({ memory, thread, say }) => {
      await Promise.all([1, 2, 3, 4].map(() => thread()));
      say(await memory.get('n'));
    },
    thread: async ({ memory }) => {
      for (let i = 0; i < 500; i++) memory.sync.incr('n');
    },
  });
  assert.deepEqual(said, [2000]);
});

test('a thread that is terminated disturbs nobody', async () => {
  const said = await run({
    primary: async ({ memory, sleep, say }) => {
      const { Worker } = require('node:worker_threads');
      const worker = new Worker(String(process.argv[1]));
      while (!(await memory.has('n'))) await sleep(5);
      await worker.terminate();
      const before = Number(await memory.get('n'));
      say((await memory.incr('n')) === before + 1);
    },
    thread: async ({ memory }) => {
      for (;;) memory.sync.incr('n');
    },
  });
  assert.deepEqual(said, [true]);
});
