'use strict';

// Listeners on 1.1.5 and here.

const { test } = require('node:test');
const { compareEverywhere, comparePrograms } = require('./differential.js');

test('what a listener hears of its own place', () =>
  compareEverywhere(async ({ memory, say, show, until }) => {
    const heard = /** @type {unknown[][]} */ ([]);
    memory.listen('a', (...args) => heard.push(args));
    await memory.set('a', 1);
    await memory.set('b', 'another key');
    await memory.set('a', { list: [1] });
    await memory.set('a', { list: [1] });
    await memory.set('a', 'same');
    await memory.set('a', 'same');
    await memory.remove('a');
    await memory.remove('a');
    await memory.set('a', undefined);
    await memory.setLRU('a', 'no news');
    await memory.removeLRU('a');
    await memory.releaseLock('a', await memory.getLock('a'));
    await memory.set('a', 'last');
    await until(() => heard.at(-1)?.[0] === 'last');
    say(['heard', show(heard)]);
  }));

test('what is heard of a set has been heard when the set is done', () =>
  compareEverywhere(async ({ memory, say, show }) => {
    const heard = /** @type {unknown[]} */ ([]);
    memory.listen('a', (value) => heard.push(value));
    await memory.set('a', 1);
    say(['after set', show(heard)]);
    await Promise.all([memory.set('a', 2), memory.set('a', 3)]);
    say(['after two', show(heard)]);
    await memory.remove('a');
    say(['after remove', show(heard)]);
  }));

test('several listeners of one place', () =>
  compareEverywhere(
    async ({ memory, place, say, show, until }) => {
      // In the primary of 1.1.5 these still listen when a worker's turn comes.
      const key = `of the ${place}`;
      const heard = /** @type {string[]} */ ([]);
      const hear = (/** @type {any} */ value) => {
        heard.push(show(value));
        value.list.push(2);
      };
      memory.listen(key, hear);
      memory.listen(key, hear);
      memory.listen(key, (value) => heard.push(`third ${show(value)}`));
      await memory.set(key, { list: [1] });
      await until(() => heard.length === 3);
      say(['heard', show(heard)]);
    },
    {
      differences: [
        {
          label: 'heard',
          // In the primary of 1.1.5 all of them get the object itself.
          was: show(['{ list: [ 1 ] }', '{ list: [ 1, 2 ] }', 'third { list: [ 1, 2, 2 ] }']),
          is: show(['{ list: [ 1 ] }', '{ list: [ 1 ] }', 'third { list: [ 1 ] }']),
          in: 'primary',
        },
      ],
    },
  ));

/** @param {string[]} lines */
function show(lines) {
  return `[ ${lines.map((line) => `'${line}'`).join(', ')} ]`;
}

test('listeners of numbers and booleans as keys', () =>
  compareEverywhere(
    async ({ memory, say, show, until }) => {
      const heard = /** @type {unknown[]} */ ([]);
      for (const key of [1, 1.5, true])
        memory.listen(key, (value) => heard.push(`${key} ${value}`));
      for (const key of ['1', '1.5', 'true']) await memory.set(key, 'set');
      await until(() => heard.length === 3);
      say(['heard', show(heard)]);
    },
    { modes: ['json'] },
  ));

test('what listeners of all processes hear of all processes', () =>
  comparePrograms({
    primary: async ({ memory, fork, ended, until, say }) => {
      const heard = /** @type {string[]} */ ([]);
      memory.listen('a', (value) => heard.push(`${value}`));
      const listeners = ['one', 'two'].map((name) => fork('listener', { NAME: name }));
      const ends = listeners.map(ended);
      await until(async () => (await memory.get('listening')) === 2);
      await memory.set('a', 'by the primary');
      await ended(fork('setter'));
      await memory.remove('a');
      await memory.set('a', 'end');
      await Promise.all(ends);
      say(['in the primary', heard.join(', ')]);
    },
    listener: async ({ memory, say, until }) => {
      const heard = /** @type {string[]} */ ([]);
      memory.listen('a', (value) => heard.push(`${value}`));
      // By the answer to this, what was sent before has arrived.
      await memory.mutex('lock', async () => {
        await memory.set('listening', ((await memory.get('listening')) ?? 0) + 1);
      });
      await until(() => heard.at(-1) === 'end');
      say([`in worker ${process.env.NAME}`, heard.join(', ')]);
    },
    setter: async ({ memory, say }) => {
      for (let i = 1; i <= 20; i++) await memory.set('a', `by a worker ${i}`);
      await Promise.all([21, 22, 23].map((i) => memory.set('a', `by a worker ${i}`)));
      say(['set', 'all']);
    },
  }));

test('a listener that throws', () =>
  compareEverywhere(
    async ({ memory, place, say, show, sleep, until }) => {
      // The listeners in the primary of 1.1.5 are still there when a worker's turn comes.
      const key = `of the ${place}`;
      const seen = /** @type {string[]} */ ([]);
      const heard = /** @type {unknown[]} */ ([]);
      const onError = (/** @type {Error} */ error) => seen.push(error.message);
      process.on('uncaughtException', onError);
      memory.listen(key, (value) => {
        throw new Error(`mine ${value}`);
      });
      memory.listen(key, (value) => heard.push(value));
      await memory.set(key, 1);
      await memory.set(key, 2);
      await until(() => heard.length === 2 && seen.length === 2);
      await sleep(10);
      say(['heard', show(heard)]);
      say(['uncaught', show(seen)]);
      process.off('uncaughtException', onError);
    },
    { modes: ['json'] },
  ));

test('what a listener can get', () =>
  compareEverywhere(
    async ({ memory, say, show, until }) => {
      const heard = /** @type {boolean[]} */ ([]);
      memory.listen('a', async (value) => heard.push((await memory.get('a')) >= value));
      for (let i = 1; i <= 50; i++) await memory.set('a', i);
      await until(() => heard.length === 50);
      say(['the value or a newer one', show(heard.every(Boolean))]);
    },
    { modes: ['json'] },
  ));

test('listening without a callback', () =>
  compareEverywhere(
    async ({ memory, outcome, say, show }) => {
      const any = /** @type {any} */ (memory);
      for (const callback of [undefined, null, 'text', {}]) {
        say([`with ${show(callback)}`, await outcome(() => any.listen('a', callback))]);
      }
    },
    {
      modes: ['json'],
      // With the same message, and a code.
      differences: ['undefined', 'null', "'text'", '{}'].map((callback) => ({
        label: `with ${callback}`,
        was: 'Error a listener must have a callback.',
        is: 'Error ERR_INVALID_ARG_TYPE',
      })),
    },
  ));
