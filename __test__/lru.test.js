'use strict';

// What setLRU, getLRU and removeLRU do with the options as they are at first. Options:
// lru-options.test.js. Everything at random: lru-reference.test.js.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

test('setLRU and removeLRU give OK, getLRU the value or undefined', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      say(await memory.getLRU('a'));
      say(await memory.setLRU('a', { list: [1] }));
      say(await memory.getLRU('a'));
      say(await memory.setLRU('a', 'another'));
      say(await memory.getLRU('a'));
      say([await memory.removeLRU('a'), await memory.removeLRU('a')]);
      say(await memory.getLRU('a'));
    },
    [undefined, 'OK', { list: [1] }, 'OK', 'another', ['OK', 'OK'], undefined],
  ));

test('a callback gets the outcome as its only argument, once, and the promise too', () =>
  saysEverywhere(
    async ({ memory, say, sleep }) => {
      const heard = /** @type {unknown[][]} */ ([]);
      const hear = (/** @type {unknown[]} */ ...args) => heard.push(args);
      say(await memory.setLRU('a', 1, hear));
      say(await memory.getLRU('a', hear));
      say(await memory.removeLRU('a', hear));
      say(await memory.getLRU('a', hear));
      await sleep(10);
      say(heard);
    },
    ['OK', 1, 'OK', undefined, [['OK'], [1], ['OK'], [undefined]]],
  ));

test('every string is an ordinary key, and 1 and "1" are one key', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const strings = ['', '__proto__', 'constructor', 'a\0b', '\ud83d', '\ud83d\ude00'];
      const keys = [...strings, 'x'.repeat(2000)];
      const each = (/** @type {(key: any) => unknown} */ call) => Promise.all(keys.map(call));
      say((await each(memory.getLRU)).every((value) => value === undefined));
      await each((key) => memory.setLRU(key, `under ${key}`));
      say((await each(memory.getLRU)).every((value, i) => value === `under ${keys[i]}`));
      await each(memory.removeLRU);
      say((await each(memory.getLRU)).every((value) => value === undefined));
      for (const key of [1, 1.5, true, false]) {
        await memory.setLRU(key, `under ${key}`);
        say(await memory.getLRU(String(key)));
        await memory.removeLRU(String(key));
        say(await memory.getLRU(key));
      }
    },
    [true, true, true, ...[1, 1.5, true, false].flatMap((key) => [`under ${key}`, undefined])],
  ));

test('a wrong key or value rejects, and the callback gets the error', () =>
  saysEverywhere(
    async ({ memory, say, failure }) => {
      const { getLRU, setLRU, removeLRU } = /** @type {any} */ (memory);
      for (const key of [undefined, null, {}, Symbol('s'), 10n]) {
        for (const call of [getLRU, setLRU, removeLRU]) {
          say((await failure(() => call(key, 1))).code);
          const heard = await new Promise((resolve) => {
            if (call === setLRU) call(key, 1, resolve);
            else call(key, resolve);
          });
          say(heard.code);
        }
      }
      say((await failure(() => setLRU('x'.repeat(2001), 1))).code);
      say((await failure(() => setLRU('a', () => {}))).code);
      say((await failure(() => setLRU('a', 10n))).name);
      say(await memory.getLRU('a'));
    },
    [
      ...Array(30).fill('ERR_INVALID_ARG_TYPE'),
      ...['ERR_KEY_TOO_LONG', 'ERR_INVALID_ARG_TYPE', 'TypeError', undefined],
    ],
  ));

const EXACT = [
  ...[undefined, null, true, false, 0, -0, 1.5, Number.NaN, '', 'text', '\u65e5 \ud83d'],
  ...['x'.repeat(20_000), { a: [1, { b: null }] }, [], Buffer.from('bytes'), new Uint8Array(5000)],
];

test('values come back as they were, from every place to every place', async () => {
  const said = await run(
    {
      primary: async ({ job, workers, thread, say }) => {
        await job('write');
        await workers();
        await thread();
        say(await job('same'));
      },
      worker: async ({ job, thread, say }) => {
        say(await job('same'));
        await job('write');
        await thread();
      },
      thread: async ({ job, say }) => {
        say(await job('same'));
        await job('write');
      },
      write: async ({ memory, input }) => {
        for (const [index, value] of input.entries()) await memory.setLRU(index, value);
      },
      same: async ({ memory, input }) => {
        const { isDeepStrictEqual } = require('node:util');
        const read = await Promise.all(
          input.map((/** @type {unknown} */ _, /** @type {number} */ i) => memory.getLRU(i)),
        );
        for (const index of input.keys()) await memory.removeLRU(index);
        return read.every((value, i) => isDeepStrictEqual(value, input[i]));
      },
    },
    { input: EXACT },
  );
  assert.deepEqual(said, [true, true, true, true]);
});

test('objects are stored as the mode says', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      for (const mode of /** @type {const} */ (['json', 'advanced'])) {
        memory.configure({ mode });
        await memory.setLRU('a', { at: new Date(0), map: new Map([[1, 2]]) });
        say(await memory.getLRU('a'));
        await memory.removeLRU('a');
      }
    },
    [
      { at: '1970-01-01T00:00:00.000Z', map: {} },
      { at: new Date(0), map: new Map([[1, 2]]) },
    ],
  ));

test('a value that is read is a copy', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const value = { list: [1] };
      await memory.setLRU('a', value);
      value.list.push(2);
      const first = await memory.getLRU('a');
      first.list.push(3);
      say(await memory.getLRU('a'));
      await memory.removeLRU('a');
    },
    [{ list: [1] }],
  ));

test('the LRU and the store know nothing of each other', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const { entries } = await memory.stats();
      await memory.set('a', 'stored');
      await memory.setLRU('a', 'cached');
      say([await memory.get('a'), await memory.getLRU('a')]);
      await memory.remove('a');
      say([await memory.has('a'), await memory.getLRU('a')]);
      await memory.set('a', 'stored');
      await memory.removeLRU('a');
      say([await memory.get('a'), await memory.getLRU('a')]);
      await memory.remove('a');
      say((await memory.stats()).entries - entries);
    },
    [['stored', 'cached'], [false, 'cached'], ['stored', undefined], 0],
  ));

test('operations of one thread happen in the order in which they were made', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const results = await Promise.all([
        memory.setLRU('a', 1),
        memory.getLRU('a'),
        memory.setLRU('a', 2),
        memory.getLRU('a'),
        memory.removeLRU('a'),
        memory.getLRU('a'),
      ]);
      say(results);
    },
    [['OK', 1, 'OK', 2, 'OK', undefined]],
  ));

test('without options the LRU holds 10 000 items', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await memory.setLRU(0, 'the first');
      await workers();
      say(await memory.getLRU(0));
      await memory.setLRU('one more', 1);
      say(await memory.getLRU(0));
      say(await memory.getLRU(1));
      say(await memory.getLRU(2));
    },
    worker: async ({ memory }) => {
      for (let i = 1; i < 10_000; i++) await memory.setLRU(i, i);
    },
  });
  // The get made the first one the last to go.
  assert.deepEqual(said, ['the first', 'the first', undefined, 2]);
});

test('what is evicted gives its memory back', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      memory.configure({ maxMemory: '64mb' });
      memory.setLRUOptions({ max: 1000 });
      await workers(2);
      say(await memory.getLRU('last'));
    },
    worker: async ({ memory, say }) => {
      // 400 MB through a cache that holds 10.
      for (let i = 0; i < 20_000; i++) {
        await memory.setLRU(`${process.pid} ${i}`, 'x'.repeat(i % 20_000));
      }
      await memory.setLRU('last', 'stands');
      say((await memory.stats()).bytes.used < 48 * 2 ** 20);
    },
  });
  assert.deepEqual(said, [true, true, 'stands']);
});
