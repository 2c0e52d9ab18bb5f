'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

test('mutex gives what the function gives, and releases', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      say(await memory.mutex('a', () => 1));
      say(await memory.mutex('a', async () => ({ two: 2 })));
      say(await memory.mutex('a', () => {}));
      // biome-ignore lint/suspicious/noThenProperty: whatever can be awaited is
      const thenable = { then: (/** @type {(value: string) => void} */ done) => done('three') };
      say(await memory.mutex('a', () => /** @type {any} */ (thenable)));
      say(await memory.releaseLock('a', await memory.getLock('a')));
    },
    [1, { two: 2 }, undefined, 'three', 'OK'],
  ));

test('mutex passes on what the function throws or rejects with, and releases', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const mine = new Error('mine');
      const thrown = (/** @type {any} */ fn) => memory.mutex('a', fn).catch((error) => error);
      const fail = () => {
        throw mine;
      };
      say((await thrown(fail)) === mine);
      say((await thrown(async () => fail())) === mine);
      say((await thrown(() => Promise.reject(undefined))) === undefined);
      say((await thrown(() => Promise.reject('text'))) === 'text');
      say(await memory.mutex('a', () => 'free'));
    },
    [true, true, true, true, 'free'],
  ));

test('the lock is held while the function runs, and not after it', () =>
  saysEverywhere(
    async ({ memory, say, sleep }) => {
      const order = /** @type {string[]} */ ([]);
      const slow = memory.mutex('a', async () => {
        order.push('slow begins');
        await sleep(30);
        order.push('slow ends');
      });
      const next = memory.mutex('a', () => order.push('next'));
      await memory.mutex('b', () => order.push('another key'));
      await Promise.all([slow, next]);
      say(order.filter((step) => step !== 'another key'));
      say(order.indexOf('another key') < order.indexOf('slow ends'));
    },
    [['slow begins', 'slow ends', 'next'], true],
  ));

test('without a function mutex is a TypeError, before it locks or waits', () =>
  saysEverywhere(
    async ({ memory, say, failure }) => {
      const { mutex } = /** @type {any} */ (memory);
      const id = await memory.getLock('a');
      for (const fn of [undefined, null, 'text', {}, 1]) {
        const { name, code } = await failure(() => mutex('a', fn));
        say(`${name} ${code}`);
      }
      say(await memory.releaseLock('a', id));
      say((await failure(() => mutex('a'))).code);
      say(await memory.mutex('a', () => 'free'));
    },
    [...Array(5).fill('TypeError ERR_INVALID_ARG_TYPE'), 'OK', 'ERR_INVALID_ARG_TYPE', 'free'],
  ));

test('a wrong key rejects, and the function is not called', () =>
  saysEverywhere(
    async ({ memory, say, failure }) => {
      const { mutex } = /** @type {any} */ (memory);
      let calls = 0;
      for (const key of [undefined, null, {}, Symbol('s')]) {
        say((await failure(() => mutex(key, () => calls++))).code);
      }
      say((await failure(() => mutex('x'.repeat(2001), () => calls++))).code);
      say(calls);
    },
    [...Array(4).fill('ERR_INVALID_ARG_TYPE'), 'ERR_KEY_TOO_LONG', 0],
  ));

test('mutexes of different keys nest', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      say(await memory.mutex('a', () => memory.mutex('b', () => memory.mutex('c', () => 'deep'))));
      for (const key of ['a', 'b', 'c']) say(await memory.mutex(key, () => key));
    },
    ['deep', 'a', 'b', 'c'],
  ));

test('1 000 mutexes at once in one place run one after the other, in their order', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const order = /** @type {number[]} */ ([]);
      let inside = 0;
      let most = 0;
      const one = async (/** @type {unknown} */ _, /** @type {number} */ i) => {
        most = Math.max(most, ++inside);
        await null;
        order.push(i);
        inside--;
      };
      await Promise.all(Array.from({ length: 1000 }, (_, i) => memory.mutex('a', () => one(_, i))));
      say([most, order.length, order.every((number, i) => number === i)]);
    },
    [[1, 1000, true]],
  ));

test('no increment is lost that four workers make with get and set in a mutex', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await memory.set('count', 0);
      await workers(4);
      say(await memory.get('count'));
    },
    worker: async ({ memory }) => {
      const add = async () => memory.set('count', (await memory.get('count')) + 1);
      for (let i = 0; i < 250; i++) await memory.mutex('lock', add);
      // And with requests of its own waiting behind each other.
      await Promise.all(Array.from({ length: 250 }, () => memory.mutex('lock', add)));
    },
  });
  assert.deepEqual(said, [2000]);
});

test('no increment is lost between main threads and threads', async () => {
  const said = await run({
    primary: async ({ memory, job, workers, thread, say }) => {
      await Promise.all([workers(), thread(), thread(), job('add')]);
      say(await memory.get('count'));
    },
    worker: async ({ job, thread }) => {
      await Promise.all([job('add'), thread(), thread()]);
    },
    thread: ({ job }) => job('add'),
    add: async ({ memory }) => {
      for (let i = 0; i < 200; i++) {
        await memory.mutex('lock', async () => {
          await memory.set('count', ((await memory.get('count')) ?? 0) + 1);
        });
      }
    },
  });
  assert.deepEqual(said, [1200]);
});
