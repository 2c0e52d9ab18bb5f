'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

test('after close every call fails with ERR_CLOSED, and close itself does not', async () => {
  const said = await run({
    primary: async ({ memory, say, failure }) => {
      await memory.set('a', 1);
      say(await memory.close());
      say(await memory.close());
      const { get, set, remove, has, incr, sync, stats } = memory;
      for (const call of [get, remove, has, incr]) say((await failure(() => call('a'))).code);
      say((await failure(() => set('a', 1))).code);
      say((await failure(() => sync.get('a'))).code);
      say((await failure(() => sync.set('a', 1))).code);
      say((await failure(stats)).code);
    },
  });
  assert.deepEqual(said, [undefined, undefined, ...Array(8).fill('ERR_CLOSED')]);
});

test('close before the first operation closes too', async () => {
  const said = await run({
    primary: async ({ memory, say, failure }) => {
      await memory.close();
      say((await failure(() => memory.get('a'))).code);
      say((await failure(() => memory.configure({ maxMemory: '32mb' }))).code);
    },
  });
  assert.deepEqual(said, ['ERR_CLOSED', 'ERR_CLOSED']);
});

test('close ends what waits for the primary', async () => {
  const said = await run({
    primary: async ({ workers }) => {
      await workers();
    },
    worker: async ({ memory, say, failure }) => {
      const waiting = failure(() => memory.get('a'));
      await memory.close();
      say((await waiting).code);
    },
  });
  assert.deepEqual(said, ['ERR_CLOSED']);
});

test('a worker that closes leaves its values and disturbs nobody', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await workers();
      say(await memory.get('a'));
      say((await memory.stats()).members.length);
      await workers();
    },
    worker: async ({ memory }) => {
      await memory.set('a', 'stays');
      await memory.close();
    },
  });
  assert.deepEqual(said, ['stays', 1]);
});

test('a primary that closes goes on serving its workers', async () => {
  const said = await run({
    primary: async ({ memory, workers }) => {
      await memory.set('a', 1);
      await memory.close();
      await workers();
    },
    worker: async ({ memory, say }) => {
      say(await memory.get('a'));
    },
  });
  assert.deepEqual(said, [1]);
});
