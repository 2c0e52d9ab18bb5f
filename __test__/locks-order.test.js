'use strict';

// The grants of one key come in the order of the requests, over all processes and threads.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

test('requests of one place are granted in their order, one at a time', () =>
  saysEverywhere(
    async ({ memory, say, sleep }) => {
      const order = /** @type {number[]} */ ([]);
      const request = async (/** @type {number} */ number) => {
        const id = await memory.getLock('a');
        order.push(number);
        await sleep(1);
        if (order.at(-1) !== number) say('another one was granted meanwhile');
        await memory.releaseLock('a', id);
      };
      await Promise.all([1, 2, 3, 4, 5].map(request));
      say(order);
    },
    [[1, 2, 3, 4, 5]],
  ));

test('a request stays pending until the lock is released', () =>
  saysEverywhere(
    async ({ memory, say, sleep }) => {
      const first = await memory.getLock('a');
      let granted = false;
      const second = memory.getLock('a').then((id) => {
        granted = true;
        return id;
      });
      await sleep(50);
      say(granted);
      await memory.releaseLock('a', 'wrong');
      await sleep(20);
      say(granted);
      await memory.releaseLock('a', first);
      say(await memory.releaseLock('a', await second));
    },
    [false, false, 'OK'],
  ));

test('requests of processes and threads are granted in the order in which they were made', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, startThread, until, say }) => {
      const held = await memory.getLock('a');
      const ends = [];
      // Each asks, and then lets the next one begin.
      for (let number = 1; number <= 6; number++) {
        await memory.set('number', number);
        if (number % 2 === 0) ends.push(ended(fork()));
        else ends.push(new Promise((resolve) => startThread().once('exit', resolve)));
        await until(() => memory.sync.has(number));
      }
      await memory.releaseLock('a', held);
      await Promise.all(ends);
      say(await memory.get('order'));
    },
    worker: ({ job }) => job('ask'),
    thread: ({ job }) => job('ask'),
    ask: async ({ memory }) => {
      const number = await memory.get('number');
      const granted = memory.getLock('a');
      memory.sync.set(number, true);
      const id = await granted;
      await memory.set('order', [...((await memory.get('order')) ?? []), number]);
      await memory.releaseLock('a', id);
    },
  });
  assert.deepEqual(said, [[1, 2, 3, 4, 5, 6]]);
});

test('10 000 waiters of four workers are granted in order', async (context) => {
  const began = performance.now();
  const said = await run({
    primary: async ({ memory, workers, until, say }) => {
      const held = await memory.getLock('a');
      await memory.set('turn', 0);
      const all = workers(4);
      await until(() => memory.sync.get('order') === 10_000);
      say(memory.sync.get('granted') ?? 0);
      await memory.releaseLock('a', held);
      await all;
      say(memory.sync.get('granted'));
      say(await memory.releaseLock('a', await memory.getLock('a')));
    },
    worker: async ({ memory, cluster, until, say }) => {
      const me = Number(cluster.worker?.id) - 1;
      let wrong = 0;
      const waitIn = async (
        /** @type {number} */ place,
        /** @type {Promise<string>} */ granted,
      ) => {
        const id = await granted;
        if (memory.sync.incr('granted') !== place) wrong++;
        if ((await memory.releaseLock('a', id)) !== 'OK') wrong++;
      };
      const waiting = [];
      // 50 requests, then it is the next worker's turn, 50 times.
      for (let round = 0; round < 50; round++) {
        await until(() => memory.sync.get('turn') === 4 * round + me);
        for (let i = 0; i < 50; i++) {
          const granted = memory.getLock('a');
          waiting.push(waitIn(memory.sync.incr('order'), granted));
        }
        memory.sync.incr('turn');
      }
      await Promise.all(waiting);
      say({ wrong });
    },
  });
  context.diagnostic(`${Math.round(performance.now() - began)} ms for all of it`);
  const [atFirst, ...rest] = said;
  assert.equal(atFirst, 0);
  assert.deepEqual(rest.slice(0, 4), Array(4).fill({ wrong: 0 }));
  assert.deepEqual(rest.slice(4), [10_000, 'OK']);
});

test('a holder that asks again at once does not overtake those who wait', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, say }) => {
      const first = await memory.getLock('a');
      const worker = ended(fork());
      await until(() => memory.sync.has('asked'));
      const again = memory.getLock('a');
      await memory.releaseLock('a', first);
      const id = await again;
      say(await memory.get('had it'));
      await memory.releaseLock('a', id);
      await worker;
    },
    worker: async ({ memory, sleep }) => {
      const granted = memory.getLock('a');
      await memory.has('anything');
      memory.sync.set('asked', true);
      const id = await granted;
      await sleep(50);
      await memory.set('had it', 'the worker');
      await memory.releaseLock('a', id);
    },
  });
  assert.deepEqual(said, ['the worker']);
});
