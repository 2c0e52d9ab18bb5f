'use strict';

// After close() all fails with ERR_CLOSED: calls of every form, those of namespaces, and iterators
// that were at work.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

/** @typedef {Parameters<import('./program.js').Job>[0]} Tools */

const LIMIT = { timeout: 60_000 };

/** Says the code of every call's error. @param {Tools} tools */
async function sayCodes({ memory, say, failure }) {
  /** @type {Array<[string, ...unknown[]]>} */
  const calls = [
    ['get', 'a'],
    ['set', 'a', 1],
    ['set', 'a', 1, { ttl: 5 }],
    ['remove', 'a'],
    ['has', 'a'],
    ['incr', 'a'],
    ['incr', 'a', 1, { ttl: 5 }],
    ['decr', 'a'],
    ['add', 'a', 1],
    ['replace', 'a', 1],
    ['getAndSet', 'a', 1],
    ['getAndRemove', 'a'],
    ['touch', 'a', 5],
    ['ttl', 'a'],
    ['getWithVersion', 'a'],
    ['compareAndSet', 'a', 0, 1],
    ['update', 'a', () => 1],
    ['getMany', ['a']],
    ['getMany', []],
    ['setMany', { a: 1 }],
    ['setMany', {}],
    ['removeMany', ['a']],
    ['removeMany', []],
    ['size'],
    ['clear'],
  ];
  const ofOld = memory.namespace('old');
  const ofNew = memory.namespace('new');
  for (const space of /** @type {any[]} */ ([memory, ofOld, ofNew])) {
    const codes = new Set();
    for (const [name, ...args] of calls) {
      for (const form of [space, space.sync]) {
        codes.add((await failure(() => form[name](...args))).code);
      }
    }
    for (const form of [space, space.sync]) {
      codes.add((await failure(() => form.keys().next())).code);
      codes.add((await failure(() => form.entries().next())).code);
    }
    codes.add((await failure(() => space.getLock('a'))).code);
    codes.add((await failure(() => space.releaseLock('a', 'x'))).code);
    codes.add((await failure(() => space.mutex('a', () => 1))).code);
    codes.add((await failure(() => space.listen('a', () => {}))).code);
    say(codes);
  }
  say((await failure(() => memory.namespace('new', { maxMemory: '1mb' }))).code);
}

test('after close every call fails, also those of namespaces', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, job }) => {
      await memory.set('a', 1);
      await memory.namespace('old').set('a', 1);
      await memory.close();
      await job('sayCodes');
    },
    sayCodes,
  });
  const closed = new Set(['ERR_CLOSED']);
  assert.deepEqual(said, [closed, closed, closed, 'ERR_CLOSED']);
});

test('after a close before the first call every call fails too', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, job }) => {
      await memory.close();
      await job('sayCodes');
    },
    sayCodes,
  });
  const closed = new Set(['ERR_CLOSED']);
  assert.deepEqual(said, [closed, closed, closed, 'ERR_CLOSED']);
});

test('iterators that were at work end with ERR_CLOSED', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, say, failure }) => {
      const space = memory.namespace('some');
      for (let i = 0; i < 10; i += 1) {
        memory.sync.set(`a${i}`, i);
        space.sync.set(`a${i}`, i);
      }
      const iterators = [memory, memory.sync, space, space.sync].flatMap((form) => [
        form.keys(),
        form.entries(),
      ]);
      for (const iterator of iterators) await iterator.next();
      await memory.close();
      for (const iterator of iterators) say((await failure(() => iterator.next())).code);
      for (const iterator of iterators) say(await iterator.next());
    },
  });
  const over = { value: undefined, done: true };
  assert.deepEqual(said, [...Array(8).fill('ERR_CLOSED'), ...Array(8).fill(over)]);
});

test('close ends an update and a clear that are at work', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, sleep, say, failure }) => {
      for (let i = 0; i < 20_000; i += 1) memory.sync.set(`k${i}`, i);
      const update = failure(() => memory.update('k1', () => sleep(20)));
      const clear = failure(() => memory.clear());
      await memory.close();
      say([(await update).code, (await clear).code]);
    },
  });
  assert.deepEqual(said, [['ERR_CLOSED', 'ERR_CLOSED']]);
});

test('close rejects the locks that namespaces wait for', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, say, failure }) => {
      const space = memory.namespace('locks');
      await space.getLock('a');
      const waiting = [failure(() => space.getLock('a')), failure(() => space.mutex('a', () => 1))];
      await memory.close();
      for (const error of await Promise.all(waiting)) say(error.code);
    },
  });
  assert.deepEqual(said, ['ERR_CLOSED', 'ERR_CLOSED']);
});

test('a closed worker leaves its namespaces to the others', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await workers();
      const space = memory.namespace('left');
      say([await space.get('a'), await space.mutex('lock', () => 'free')]);
    },
    worker: async ({ memory }) => {
      const space = memory.namespace('left');
      await space.set('a', 1);
      await space.getLock('lock');
      await memory.close();
    },
  });
  assert.deepEqual(said, [[1, 'free']]);
});
