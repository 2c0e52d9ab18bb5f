'use strict';

// Wrong arguments of the calls beyond get and set: the same error from both forms, and nothing done.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');

const LIMIT = { timeout: 20_000 };
const TYPE = { name: 'TypeError', code: 'ERR_INVALID_ARG_TYPE' };
const VALUE = { name: 'TypeError', code: 'ERR_INVALID_ARG_VALUE' };
const RANGE = { name: 'RangeError', code: 'ERR_OUT_OF_RANGE' };
const LONG = { name: 'RangeError', code: 'ERR_KEY_TOO_LONG' };

const untyped = /** @type {any} */ (memory);
const double = (/** @type {number} */ n) => n * 2;

/** Calls with a key as first argument, and what follows it. @type {Array<[string, ...unknown[]]>} */
const WITH_KEY = [
  ['add', 1],
  ['replace', 1],
  ['getAndSet', 1],
  ['getAndRemove'],
  ['decr'],
  ['touch', 5],
  ['ttl'],
  ['getWithVersion'],
  ['compareAndSet', 1, 1],
  ['update', double],
];

/** Calls with options behind these arguments. @type {Array<[string, ...unknown[]]>} */
const WITH_OPTIONS = [
  ['set', 'n', 1],
  ['add', 'n', 1],
  ['replace', 'n', 1],
  ['getAndSet', 'n', 1],
  ['compareAndSet', 'n', 1, 1],
  ['update', 'n', double],
  ['incr', 'n', 1],
  ['decr', 'n', 1],
  ['setMany', { n: 1 }],
];

/** @type {(name: string, args: unknown[], error: object) => Promise<void>} */
async function isRefused(name, args, error) {
  await assert.rejects(untyped[name](...args), error, `${name} by promise`);
  assert.throws(() => untyped.sync[name](...args), error, `${name} at once`);
}

test('what is no key is a TypeError', LIMIT, async () => {
  for (const [name, ...rest] of WITH_KEY) {
    for (const key of [undefined, null, {}, Symbol('s'), 1n]) {
      await isRefused(name, [key, ...rest], TYPE);
    }
  }
});

test('a key that is too long is a RangeError', LIMIT, async () => {
  for (const [name, ...rest] of WITH_KEY) await isRefused(name, ['k'.repeat(2001), ...rest], LONG);
  for (const name of ['getMany', 'removeMany']) {
    await isRefused(name, [['k'.repeat(2001)]], LONG);
  }
});

test(
  'options that are no object are a TypeError, and a ttl out of range a RangeError',
  LIMIT,
  async () => {
    await memory.set('n', 1);
    for (const [name, ...rest] of WITH_OPTIONS) {
      for (const options of [5, 'x', true]) await isRefused(name, [...rest, options], TYPE);
      for (const ttl of ['5', null, {}, 5n]) await isRefused(name, [...rest, { ttl }], TYPE);
      for (const ttl of [0, -1, Number.NaN, Number.NEGATIVE_INFINITY, 2 ** 53]) {
        await isRefused(name, [...rest, { ttl }], RANGE);
      }
    }
    assert.deepEqual([await memory.get('n'), await memory.ttl('n')], [1, Number.POSITIVE_INFINITY]);
  },
);

test('the ttl of touch is needed, and is checked as every other', LIMIT, async () => {
  for (const ttl of [undefined, null, '5', { ttl: 5 }]) await isRefused('touch', ['n', ttl], TYPE);
  for (const ttl of [0, -1, Number.NaN]) await isRefused('touch', ['n', ttl], RANGE);
});

test('a version is an integer from 0', LIMIT, async () => {
  for (const version of [undefined, null, '1', 1n]) {
    await isRefused('compareAndSet', ['n', version, 1], TYPE);
  }
  for (const version of [-1, 0.5, Number.NaN, 2 ** 53, Number.POSITIVE_INFINITY]) {
    await isRefused('compareAndSet', ['n', version, 1], RANGE);
  }
});

test('what cannot be stored is refused by every call', LIMIT, async () => {
  await memory.set('n', 1);
  const { version } = await memory.getWithVersion('n');
  const loop = { self: {} };
  loop.self = loop;
  for (const value of [() => 1, Symbol('s'), 1n, loop]) {
    const error = { name: 'TypeError' };
    await isRefused('add', ['none', value], error);
    await isRefused('replace', ['n', value], error);
    await isRefused('getAndSet', ['n', value], error);
    await isRefused('compareAndSet', ['n', version, value], error);
    await isRefused('update', ['n', () => value], error);
    await isRefused('setMany', [{ fine: 2, n: value }], error);
  }
  assert.deepEqual(await memory.getWithVersion('n'), { value: 1, version });
  assert.deepEqual([await memory.has('none'), await memory.has('fine')], [false, false]);
});

test('decr of what is no number, or beyond what is exact, is an error', LIMIT, async () => {
  await memory.setMany({ text: 'text', least: Number.MIN_SAFE_INTEGER });
  await isRefused('decr', ['text'], { code: 'ERR_NOT_A_NUMBER' });
  await isRefused('decr', ['least'], RANGE);
  await isRefused('decr', ['n', '1'], TYPE);
  await isRefused('decr', ['n', Number.NaN], RANGE);
});

test('update needs a function', LIMIT, async () => {
  for (const fn of [undefined, null, 1, {}]) await isRefused('update', ['n', fn], TYPE);
});

test('lists are iterables, and entries pairs', LIMIT, async () => {
  for (const list of [undefined, null, 1, 'text', {}, () => 1]) {
    await isRefused('getMany', [list], TYPE);
    await isRefused('removeMany', [list], TYPE);
  }
  for (const list of [undefined, null, 1, 'text', () => 1, [1], ['ab'], [null]]) {
    await isRefused('setMany', [list], TYPE);
  }
  await isRefused('getMany', [['fine', null]], TYPE);
  await isRefused('setMany', [[[{}, 1]]], TYPE);
});

test('the options of keys and entries are checked when they are called', LIMIT, () => {
  for (const name of ['keys', 'entries']) {
    for (const options of [null, 5, 'a', { prefix: 5 }, { prefix: null }]) {
      assert.throws(() => untyped[name](options), TYPE);
      assert.throws(() => untyped.sync[name](options), TYPE);
    }
  }
});

test('the name of a namespace and its options are checked', LIMIT, () => {
  for (const name of [undefined, null, 1, {}]) assert.throws(() => untyped.namespace(name), TYPE);
  for (const name of ['', 'x'.repeat(201)]) assert.throws(() => untyped.namespace(name), VALUE);
  for (const options of [null, 5]) assert.throws(() => untyped.namespace('a', options), TYPE);
  assert.throws(() => untyped.namespace('a', { max: 1 }), VALUE);
  assert.throws(() => untyped.namespace('a', { maxMemory: 'much' }), VALUE);
  assert.throws(() => untyped.namespace('a', { maxMemory: true }), TYPE);
  for (const maxMemory of [0, -1, 4095, 5000.5]) {
    assert.throws(() => untyped.namespace('a', { maxMemory }), RANGE);
  }
});

test('the size of the value cache is checked', LIMIT, () => {
  for (const valueCache of [-1, 0.5, Number.NaN]) {
    assert.throws(() => untyped.configure({ valueCache }), RANGE);
  }
  assert.throws(() => untyped.configure({ valueCache: 'much' }), VALUE);
  assert.throws(() => untyped.configure({ valueCache: null }), TYPE);
});
