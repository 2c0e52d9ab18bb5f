'use strict';

// What getLock and releaseLock say, for one caller. Who comes first: locks-order.test.js. Who dies:
// locks-deaths.test.js.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

test('getLock gives an id, a string of its own each time, and releaseLock takes it', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const ids = new Set();
      for (let i = 0; i < 100; i++) {
        const id = await memory.getLock('a');
        ids.add(id);
        if (typeof id !== 'string' || id === '') say(`the id ${id}`);
        const answer = await memory.releaseLock('a', id);
        if (answer !== 'OK') say(answer);
      }
      say(ids.size);
    },
    [100],
  ));

test('a wrong id, or none, or one of another key releases nothing, and says so', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const { getLock, releaseLock } = /** @type {any} */ (memory);
      const id = await getLock('a');
      const other = await getLock('b');
      for (const wrong of ['wrong', '', undefined, null, 7, other]) {
        const answer = await releaseLock('a', wrong);
        say(answer === `Failed. LockId:${wrong} does not match a's lockId.`);
      }
      say((await releaseLock('a')) === "Failed. LockId:undefined does not match a's lockId.");
      say([await releaseLock('a', id), await releaseLock('b', other)]);
    },
    [...Array(7).fill(true), ['OK', 'OK']],
  ));

test('a key that is not locked cannot be released, with or without an id', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const { releaseLock } = /** @type {any} */ (memory);
      say(await releaseLock('never locked', 'x'));
      say(await releaseLock('never locked', undefined));
    },
    [
      "Failed. LockId:x does not match never locked's lockId.",
      "Failed. LockId:undefined does not match never locked's lockId.",
    ],
  ));

test('an id is good once, also when the key is locked again', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const first = await memory.getLock('a');
      await memory.releaseLock('a', first);
      const answer = await memory.releaseLock('a', first);
      say(answer === `Failed. LockId:${first} does not match a's lockId.`);
      const second = await memory.getLock('a');
      say((await memory.releaseLock('a', first)) === answer);
      say(await memory.releaseLock('a', second));
    },
    [true, true, 'OK'],
  ));

test('the id releases from any process and thread', async () => {
  const said = await run({
    primary: async ({ memory, workers, thread, say }) => {
      for (const where of [workers, thread]) {
        await memory.set('id', await memory.getLock('a'));
        await where();
      }
      await memory.set('id', await memory.getLock('a'));
      say(await memory.releaseLock('a', String(await memory.get('id'))));
    },
    worker: async ({ memory, say, thread }) => {
      say(await memory.releaseLock('a', String(await memory.get('id'))));
      // And those of a worker, in its thread.
      await memory.set('id', await memory.getLock('a'));
      await thread();
    },
    thread: async ({ memory, say }) => {
      say(await memory.releaseLock('a', String(await memory.get('id'))));
    },
  });
  assert.deepEqual(said, ['OK', 'OK', 'OK', 'OK']);
});

test('locks of different keys, and values of the same key, have nothing to do with each other', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const id = await memory.getLock('a');
      const other = await memory.getLock('b');
      say(await memory.set('a', 'set'));
      say(await memory.get('a'));
      say(await memory.remove('a'));
      say(await memory.releaseLock('b', other));
      say(await memory.releaseLock('a', id));
      say(await memory.has('a'));
    },
    ['OK', 'set', 'OK', 'OK', 'OK', false],
  ));

test('every string is a key of its own, and numbers and booleans are what they print as', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const strings = ['', ' ', '__proto__', 'constructor', 'a\0b', '\0', '\ud83d', '\ud83d\ude00'];
      const keys = [...strings, 'x'.repeat(2000)];
      const ids = await Promise.all(keys.map((key) => memory.getLock(key)));
      say(new Set(ids).size === keys.length);
      const released = await Promise.all(keys.map((key, i) => memory.releaseLock(key, ids[i])));
      say(released.every((answer) => answer === 'OK'));
      for (const key of [1, 1.5, true, false]) {
        say((await memory.releaseLock(key, 'x')).includes(` match ${key}'s `));
        say(await memory.releaseLock(String(key), await memory.getLock(key)));
      }
    },
    [true, true, ...Array(4).fill([true, 'OK']).flat()],
  ));

test('a wrong key rejects, and the callback gets the error', () =>
  saysEverywhere(
    async ({ memory, say, failure }) => {
      const { getLock, releaseLock } = /** @type {any} */ (memory);
      for (const key of [undefined, null, {}, Symbol('s'), () => {}, 10n]) {
        say((await failure(() => getLock(key))).code);
        say((await failure(() => releaseLock(key, 'x'))).code);
      }
      say((await failure(() => getLock('x'.repeat(2001)))).code);
      say(await new Promise((resolve) => getLock({}, resolve)).then((error) => error.code));
      say(
        await new Promise((resolve) => releaseLock({}, 'x', resolve)).then((error) => error.code),
      );
    },
    [
      ...Array(12).fill('ERR_INVALID_ARG_TYPE'),
      'ERR_KEY_TOO_LONG',
      ...Array(2).fill('ERR_INVALID_ARG_TYPE'),
    ],
  ));

test('with a callback one lock is taken, and callback and promise get its id', () =>
  saysEverywhere(
    async ({ memory, say, sleep }) => {
      const heard = /** @type {unknown[][]} */ ([]);
      const id = await memory.getLock('a', (...args) => heard.push(args));
      await sleep(10);
      say(heard.length === 1 && heard[0].length === 1 && heard[0][0] === id);
      say(await memory.releaseLock('a', id, (...args) => heard.push(args)));
      await sleep(10);
      say(heard.slice(1));
      say(await memory.releaseLock('a', await memory.getLock('a')));
      const failed = await new Promise((resolve) => memory.releaseLock('a', 'x', resolve));
      say(failed);
    },
    [true, 'OK', [['OK']], 'OK', "Failed. LockId:x does not match a's lockId."],
  ));

test('a granted lock and released ones let the process end', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      await memory.releaseLock('a', await memory.getLock('a'));
      say(typeof (await memory.getLock(`kept by ${process.pid} ${Math.random()}`)));
    },
    ['string'],
  ));

test('a pending getLock keeps its process alive', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const id = await memory.getLock('a');
      const second = memory.getLock('a');
      // Does not keep the process alive, so that only the request does.
      setTimeout(() => memory.releaseLock('a', id), 200).unref();
      say(await memory.releaseLock('a', await second));
    },
    ['OK'],
  ));

test('a pending getLock keeps a worker alive that is disconnected', async () => {
  const said = await run({
    primary: async ({ memory, say, fork, ended, sleep, until }) => {
      const id = await memory.getLock('a');
      const worker = ended(fork());
      await until(() => memory.has('disconnected'));
      await sleep(300);
      say(await memory.releaseLock('a', id));
      await worker;
    },
    worker: async ({ memory, say, cluster }) => {
      memory.getLock('a').then((id) => say(typeof id));
      await new Promise((resolve) => {
        process.once('disconnect', resolve);
        cluster.worker?.disconnect();
      });
      memory.sync.set('disconnected', true);
    },
  });
  assert.deepEqual(said.sort(), ['OK', 'string']);
});

test('100 000 keys are locked at once, and their memory comes back', async () => {
  const [before, locked, distinct, answers, after] = await run({
    primary: async ({ memory, say }) => {
      memory.configure({ maxMemory: '64mb' });
      const used = async () => (await memory.stats()).bytes.used;
      const keys = Array.from({ length: 100_000 }, (_, i) => `key ${i}`);
      await memory.releaseLock('a', await memory.getLock('a'));
      say(await used());
      const ids = await Promise.all(keys.map((key) => memory.getLock(key)));
      say(await used());
      say(new Set(ids).size);
      const released = await Promise.all(keys.map((key, i) => memory.releaseLock(key, ids[i])));
      say([...new Set(released)]);
      say(await used());
    },
  });
  assert.equal(distinct, 100_000);
  assert.deepEqual(answers, ['OK']);
  assert.ok(locked > before, `${before} bytes, then ${locked}`);
  assert.ok(after - before <= (locked - before) / 10, `${before}, ${locked}, then ${after} bytes`);
});
