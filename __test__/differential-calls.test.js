'use strict';

// Keys, answers and callbacks on 1.1.5 and here.

const { test } = require('node:test');
const { compareEverywhere } = require('./differential.js');

/** @typedef {import('./differential.js').Difference} Difference */

test('keys that are strings, numbers and booleans', () =>
  compareEverywhere(
    async ({ memory, show, say }) => {
      const ordinary = ['a', ' ', 'a b', 'a\0b', 'k\u00e9y', '\u65e5', '\ud83d\ude00', '\ud83d'];
      for (const key of [...ordinary, 'x'.repeat(2000)]) {
        await memory.set(key, `under ${key}`);
        say([`key ${show(key)}`, show(await memory.get(key))]);
        await memory.remove(key);
        say([`key ${show(key)} removed`, show(await memory.get(key))]);
      }
      for (const key of [1, 1.5, -1, true]) {
        await memory.set(key, `under ${key}`);
        say([`key ${key} as text`, show(await memory.get(String(key)))]);
        const id = await memory.getLock(key);
        say([`lock of ${key} as text`, await memory.releaseLock(String(key), id)]);
      }
    },
    { modes: ['json'] },
  ));

test('keys that fail on 1.1.5', () =>
  compareEverywhere(
    async ({ memory, outcome, place, say, show }) => {
      if (place !== 'primary') {
        // A worker of 1.1.5 with such keys ends the primary, or never hears from it.
        say(['a worker', 'is no better']);
        return;
      }
      for (const key of ['', 0, false]) {
        say([`set ${show(key)}`, await outcome(() => memory.set(key, 'set'))]);
        say([`get ${show(key)}`, await outcome(() => memory.get(key))]);
        say([`setLRU ${show(key)}`, await outcome(() => memory.setLRU(key, 'set'))]);
        say([`getLRU ${show(key)}`, await outcome(() => memory.getLRU(key))]);
      }
      for (const key of ['__proto__', 'constructor', 'toString']) {
        say([`get ${key}`, await outcome(async () => typeof (await memory.get(key)))]);
        say([`set ${key}`, await outcome(() => memory.set(key, 'set'))]);
        say([`get ${key} then`, await outcome(async () => typeof (await memory.get(key)))]);
      }
    },
    {
      modes: ['json'],
      differences: [
        ...["''", '0', 'false'].flatMap((key) => [
          { label: `set ${key}`, was: 'undefined', is: "'OK'" },
          { label: `get ${key}`, was: 'undefined', is: "'set'" },
          { label: `setLRU ${key}`, was: 'undefined', is: "'OK'" },
          { label: `getLRU ${key}`, was: 'undefined', is: "'set'" },
        ]),
        { label: 'get __proto__', was: "'object'", is: "'undefined'" },
        { label: 'get constructor', was: "'function'", is: "'undefined'" },
        { label: 'get toString', was: "'function'", is: "'undefined'" },
        // Then 1.1.5 looks for listeners under these names.
        { label: 'set constructor', was: 'TypeError listeners.map is not a function', is: "'OK'" },
        { label: 'get __proto__ then', was: "'object'", is: "'string'" },
      ].map((one) => ({ ...one, in: /** @type {const} */ ('primary') })),
    },
  ));

test('keys that are none', () =>
  compareEverywhere(
    async ({ memory, outcome, say, place, show }) => {
      const any = /** @type {any} */ (memory);
      // In a worker of 1.1.5 the others become other keys on their way.
      const keys = place === 'primary' ? [undefined, null, {}, ['b']] : [['b']];
      for (const key of keys) {
        say([`get ${show(key)}`, await outcome(() => any.get(key))]);
        // Without a key 1.1.5 gives no promise, and a worker's call ends the primary.
        if (key) say([`set ${show(key)}`, await outcome(() => any.set(key, 1))]);
        say([`remove ${show(key)}`, await outcome(() => any.remove(key))]);
        say([`getLRU ${show(key)}`, await outcome(() => any.getLRU(key))]);
        say([`removeLRU ${show(key)}`, await outcome(() => any.removeLRU(key))]);
        say([`releaseLock ${show(key)}`, await outcome(() => any.releaseLock(key, 'x'))]);
      }
    },
    {
      modes: ['json'],
      differences: [
        ...['undefined', 'null', '{}', "[ 'b' ]"].flatMap((key) => none(key, 'primary', "'OK'")),
        ...none("[ 'b' ]", 'worker', 'undefined'),
      ],
    },
  ));

/**
 * @param {string} key
 * @param {'primary' | 'worker'} where
 * @param {string} done
 * @returns {Difference[]}
 */
function none(key, where, done) {
  const text = { undefined: 'undefined', null: 'null', '{}': '[object Object]' }[key] ?? 'b';
  const rows = [
    { call: 'get', was: 'undefined' },
    { call: 'remove', was: done },
    { call: 'getLRU', was: 'undefined' },
    { call: 'removeLRU', was: done },
    ...(key.startsWith('[') || key === '{}' ? [{ call: 'set', was: done }] : []),
    { call: 'releaseLock', was: `"Failed. LockId:x does not match ${text}'s lockId."` },
  ];
  return rows.map(({ call, was }) => ({
    label: `${call} ${key}`,
    was,
    is: 'TypeError ERR_INVALID_ARG_TYPE',
    in: where,
  }));
}

test('1 and "1" are one key of the LRU', () =>
  compareEverywhere(
    async ({ memory, show, say }) => {
      await memory.setLRU('1', 'under text');
      await memory.setLRU(1, 'under a number');
      say(['text', show(await memory.getLRU('1'))]);
      say(['number', show(await memory.getLRU(1))]);
    },
    {
      modes: ['json'],
      differences: [{ label: 'text', was: "'under text'", is: "'under a number'" }],
    },
  ));

test('what calls give', () =>
  compareEverywhere(
    async ({ memory, outcome, say }) => {
      say(['set', await outcome(() => memory.set('a', 1))]);
      say(['set again', await outcome(() => memory.set('a', 2))]);
      say(['get', await outcome(() => memory.get('a'))]);
      say(['remove', await outcome(() => memory.remove('a'))]);
      say(['remove again', await outcome(() => memory.remove('a'))]);
      say(['get of a missing one', await outcome(() => memory.get('a'))]);
      say(['setLRU', await outcome(() => memory.setLRU('a', 1))]);
      say(['getLRU', await outcome(() => memory.getLRU('a'))]);
      say(['removeLRU', await outcome(() => memory.removeLRU('a'))]);
      say(['removeLRU again', await outcome(() => memory.removeLRU('a'))]);
      say(['getLRU of a missing one', await outcome(() => memory.getLRU('a'))]);
      say(['listen', await outcome(() => typeof memory.listen('a', () => {}))]);
    },
    {
      differences: [
        ...[
          'set',
          'set again',
          'remove',
          'remove again',
          'setLRU',
          'removeLRU',
          'removeLRU again',
        ].map((label) => ({
          label,
          was: 'undefined',
          is: "'OK'",
          in: /** @type {const} */ ('worker'),
        })),
        { label: 'listen', was: "'undefined'", is: "'function'" },
      ],
    },
  ));

test('calls with callbacks', () =>
  compareEverywhere(
    async ({ memory, show, say, sleep }) => {
      /** @param {string} name @param {(callback: (...args: any[]) => void) => any} call */
      const observe = async (name, call) => {
        const heard = /** @type {unknown[][]} */ ([]);
        const promise = call((...args) => heard.push(args));
        say([`${name} gives a promise`, show(typeof promise.then)]);
        await promise;
        await sleep(20);
        say([`${name}, heard`, show(heard)]);
      };
      const news = /** @type {unknown[]} */ ([]);
      memory.listen('a', (value) => news.push(value));
      await observe('set', (done) => memory.set('a', 1, done));
      await observe('get', (done) => memory.get('a', done));
      await observe('remove', (done) => memory.remove('a', done));
      await observe('get of a missing one', (done) => memory.get('a', done));
      await observe('setLRU', (done) => memory.setLRU('a', 1, done));
      await observe('getLRU', (done) => memory.getLRU('a', done));
      await observe('removeLRU', (done) => memory.removeLRU('a', done));
      await observe('getLRU of a missing one', (done) => memory.getLRU('a', done));
      await observe('releaseLock', (done) => memory.releaseLock('a', 'x', done));
      say(['changes', show(news)]);
    },
    {
      differences: [
        { label: 'changes', was: '[ 1, 1, undefined, undefined ]', is: '[ 1, undefined ]' },
      ],
    },
  ));

test('getLock with a callback', () =>
  compareEverywhere(
    async ({ memory, outcome, say, show, place, sleep }) => {
      const heard = /** @type {string[]} */ ([]);
      const promise = memory.getLock(place, (id) => heard.push(String(id)));
      // On 1.1.5 the promise waits for a second lock.
      await sleep(50);
      say(['heard', show([heard.length, typeof heard[0]])]);
      say([
        'the promise is granted too',
        await outcome(async () => (await promise) === heard[0], 200),
      ]);
      say(['released', await outcome(() => memory.releaseLock(place, heard[0]))]);
      say(['it is the same lock', await outcome(async () => (await promise) === heard[0])]);
    },
    {
      modes: ['json'],
      differences: [
        { label: 'the promise is granted too', was: 'never', is: 'true' },
        { label: 'it is the same lock', was: 'false', is: 'true' },
      ],
    },
  ));
