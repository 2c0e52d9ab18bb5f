'use strict';

// The LRU on 1.1.5 and here. lru-reference.test.js compares far more with lru-cache alone; this is
// about what reaches it, and what it says.

const { test } = require('node:test');
const { compareEverywhere, comparePrograms } = require('./differential.js');

test('without options', () =>
  compareEverywhere(
    async ({ memory, say, show }) => {
      for (let i = 1; i <= 10_000; i++) await memory.setLRU(`key ${i}`, i);
      say(['the first', show(await memory.getLRU('key 1'))]);
      await memory.setLRU('key 10001', 10_001);
      const kept = [];
      for (const i of [1, 2, 3, 10_000, 10_001]) kept.push(await memory.getLRU(`key ${i}`));
      say(['after one more', show(kept)]);
    },
    { modes: ['json'] },
  ));

test('options in the primary, and what each place then does', () =>
  comparePrograms(
    {
      primary: async ({ memory, job, workers, say, show }) => {
        const gone = /** @type {string[]} */ ([]);
        const asked = /** @type {string[]} */ ([]);
        memory.setLRUOptions({
          max: 10,
          length: (/** @type {string} */ value, /** @type {any} */ key) => {
            asked.push(`${key} ${value}`);
            return value.length;
          },
          dispose: (/** @type {any} */ key, /** @type {any} */ value) =>
            gone.push(`${key} ${value}`),
        });
        await job('use');
        await workers();
        say(['at last', show([await memory.getLRU('a'), await memory.getLRU('b')])]);
        say(['gone', show(gone)]);
        say(['asked', show(asked)]);
      },
      worker: ({ job }) => job('use'),
      use: async ({ memory, say, show, place }) => {
        await memory.setLRU('a', 'xxxx');
        await memory.setLRU('b', 'yyyy');
        await memory.getLRU('a');
        await memory.setLRU('c', 'zzz');
        say([`b in the ${place}`, show(await memory.getLRU('b'))]);
        await memory.setLRU('a', 'much too long for it');
        say([`a in the ${place}`, show(await memory.getLRU('a'))]);
        await memory.setLRU('c', 'zz');
        await memory.removeLRU('c');
        await memory.removeLRU('c');
      },
    },
    { modes: ['json'] },
  ));

test('options that are wrong, or none', () =>
  comparePrograms(
    {
      primary: async ({ memory, say, show, outcome, failure }) => {
        const any = /** @type {any} */ (memory);
        any.setLRUOptions({ max: 1 });
        await memory.setLRU('a', 1);
        const wrong = [{ max: -1 }, { max: '5' }, { max: true }, { maxAge: '5' }, { maxAge: {} }];
        for (const options of wrong) {
          const { name, message } = await failure(() => any.setLRUOptions(options));
          say([show(options), `${name}: ${message}`]);
        }
        say(['the old cache', show(await memory.getLRU('a'))]);
        for (const max of [0, undefined, null, Number.NaN, '']) {
          any.setLRUOptions({ max });
          for (const key of ['a', 'b', 'c']) await memory.setLRU(key, key);
          say([`max ${show(max)}`, show(await memory.getLRU('a'))]);
        }
        for (const options of [undefined, null, 5, {}]) {
          say([`options ${show(options)}`, await outcome(() => any.setLRUOptions(options))]);
          say([`then ${show(options)}`, show(await memory.getLRU('a'))]);
        }
      },
    },
    { modes: ['json'] },
  ));

test('ages', () =>
  comparePrograms(
    {
      primary: async ({ memory, workers, sleep, say, show }) => {
        memory.setLRUOptions({ maxAge: 30, stale: true });
        await memory.setLRU('a', 1);
        await memory.setLRU('b', 2);
        await sleep(60);
        say(['stale', show([await memory.getLRU('a'), await memory.getLRU('a')])]);
        await workers();
        memory.setLRUOptions({ maxAge: 30 });
        await memory.setLRU('a', 1);
        await sleep(60);
        say(['gone', show(await memory.getLRU('a'))]);
        memory.setLRUOptions({ maxAge: 0 });
        await memory.setLRU('a', 1);
        await sleep(60);
        say(['without age', show(await memory.getLRU('a'))]);
        memory.setLRUOptions({ maxAge: -1 });
        await memory.setLRU('a', 1);
        say(['with a negative age', show(await memory.getLRU('a'))]);
      },
      worker: async ({ memory, say, show }) => {
        say(['stale in a worker', show([await memory.getLRU('b'), await memory.getLRU('b')])]);
      },
    },
    { modes: ['json'] },
  ));

test('setLRUOptions in a worker', () =>
  comparePrograms(
    {
      primary: async ({ memory, workers, say, show }) => {
        await memory.setLRU('a', 1);
        await workers();
        say(['the old cache', show(await memory.getLRU('a'))]);
      },
      worker: async ({ memory, say, outcome }) => {
        say(['setLRUOptions', await outcome(() => memory.setLRUOptions({ max: 1 }))]);
      },
    },
    {
      modes: ['json'],
      differences: [
        {
          label: 'setLRUOptions',
          was: 'TypeError memory.setLRUOptions is not a function',
          is: 'SharedMemoryError ERR_NOT_PRIMARY',
        },
      ],
    },
  ));
