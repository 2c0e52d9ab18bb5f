'use strict';

// add, getAndSet and getAndRemove among many: each outcome belongs to one of them.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

const LIMIT = { timeout: 60_000 };

test('of many who take a job exactly one gets it', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      for (let i = 0; i < 2000; i += 1)
        memory.sync.set(`job ${i}`, { i, text: 'x'.repeat(i % 300) });
      await workers(4);
      say(await memory.size());
    },
    worker: async ({ memory, say }) => {
      await memory.incr('!ready');
      while (memory.sync.get('!ready') < 4);
      const mine = [];
      for (let i = 0; i < 2000; i += 1) {
        const job = await memory.getAndRemove(`job ${i}`);
        if (job === undefined) continue;
        if (job.text !== 'x'.repeat(job.i % 300)) throw new Error(`${job.i} is not whole`);
        mine.push(job.i);
      }
      say(mine);
    },
  });
  assert.equal(said.pop(), 1);
  const all = said.flat().sort((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: 2000 }, (_, i) => i),
  );
});

test('of many who add a key exactly one has done it, time after time', LIMIT, async () => {
  const said = await run({
    primary: async ({ workers, memory, say }) => {
      await memory.has('anything');
      await workers(4);
      say(await memory.size());
    },
    worker: async ({ memory, say }) => {
      const added = [];
      await memory.incr('!ready');
      while (memory.sync.get('!ready') < 4);
      for (let i = 0; i < 2000; i += 1) {
        if (memory.sync.add(`key ${i}`, process.pid)) added.push(i);
      }
      for (const i of added) {
        if (memory.sync.get(`key ${i}`) !== process.pid) throw new Error(`${i} is not mine`);
      }
      say(added);
    },
  });
  assert.equal(said.pop(), 2001);
  const all = said.flat().sort((a, b) => a - b);
  assert.deepEqual(
    all,
    Array.from({ length: 2000 }, (_, i) => i),
  );
});

test(
  'chains of getAndSet lose nothing: each value is given once, and one is left',
  LIMIT,
  async () => {
    const said = await run({
      primary: async ({ memory, workers, say }) => {
        await memory.set('chain', 'first');
        await workers(4);
        say([await memory.get('chain')]);
      },
      worker: async ({ cluster, memory, say }) => {
        const { id } = /** @type {import('node:cluster').Worker} */ (cluster.worker);
        await memory.incr('ready');
        while (memory.sync.get('ready') < 4);
        const got = [];
        for (let i = 0; i < 1500; i += 1) {
          const value = i % 3 === 0 ? { from: `${id}:${i}` } : `${id}:${i}`;
          got.push(
            i % 2 === 0
              ? memory.sync.getAndSet('chain', value)
              : await memory.getAndSet('chain', value),
          );
        }
        say(got);
      },
    });
    const all = said.flat().map((value) => value.from ?? value);
    assert.equal(all.length, 6001);
    assert.equal(new Set(all).size, 6001);
    assert.ok(all.includes('first'));
  },
);

test(
  'a lock of add and remove, with a ttl, is held by one at a time and survives its holder',
  LIMIT,
  async () => {
    const said = await run({
      primary: async ({ memory, fork, kill, workers, until, say }) => {
        const holder = fork('holder');
        await until(() => memory.has('lock'));
        await kill(holder);
        await workers(3);
        say(await memory.get('count'));
      },
      holder: async ({ memory, sleep }) => {
        await memory.add('lock', 'dead', { ttl: 300 });
        await sleep(50_000);
      },
      worker: async ({ memory, sleep }) => {
        for (let i = 0; i < 50; i += 1) {
          while (!(await memory.add('lock', process.pid, { ttl: 60_000 }))) await sleep(1);
          const count = (await memory.get('count')) ?? 0;
          await memory.set('count', count + 1);
          if ((await memory.getAndRemove('lock')) !== process.pid)
            throw new Error('It was not mine.');
        }
      },
    });
    assert.deepEqual(said, [150]);
  },
);
