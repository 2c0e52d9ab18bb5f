'use strict';

// Values on 1.1.5 and here. On 1.1.5 a value that a worker sets goes through its IPC channel; one
// that the primary sets stays the very object, for the primary.

const { test } = require('node:test');
const { inspect } = require('node:util');
const { compareEverywhere, comparePrograms } = require('./differential.js');

/** @typedef {import('./differential.js').Difference} Difference */

/**
 * Source text, for functions and cycles cannot be handed to a program.
 * @type {Record<string, string>}
 */
const VALUES = {
  object: "({ name: 'Tom', age: 10, deep: { list: [1, [2, null]] } })",
  'empty object': '({})',
  array: "[1, 'two', true, false, null]",
  'long array': 'Array.from({ length: 1000 }, (_, i) => i)',
  string: "'text'",
  'long string': "'x'.repeat(100000)",
  'wide string': "'\\u65e5\\u672c \\ud83d\\ude00'",
  'lone surrogate': "'a \\ud83d b'",
  'string with NUL': "'a\\0b'",
  'JSON text': '\'{"a":1}\'',
  integer: '42',
  negative: '-1.5',
  large: '1.7976931348623157e308',
  small: '5e-324',
  true: 'true',
  undefined: 'undefined',
  thenable: '({ then: 1 })',
  'unusual names': 'JSON.parse(\'{"__proto__":{"x":1},"constructor":"c"}\')',
  zero: '0',
  'empty string': "''",
  false: 'false',
  null: 'null',
  NaN: '0 / 0',
  Infinity: '1 / 0',
  'minus zero': '-0',
  Date: 'new Date(0)',
  RegExp: '/x/g',
  Map: 'new Map([[1, 2]])',
  Set: 'new Set([1])',
  Error: "new RangeError('mine')",
  instance: 'new (class Point { x = 1 })()',
  'boxed string': "new String('boxed')",
  Buffer: "Buffer.from('ab')",
  Uint8Array: 'new Uint8Array([1, 2])',
  'Buffer inside': "({ bytes: Buffer.from('ab') })",
  'numbers inside': '[0 / 0, 1 / 0, -0, undefined]',
  'undefined inside': '({ gone: undefined, kept: null })',
  'symbol as name': '({ [Symbol()]: 1, kept: 2 })',
  'sparse array': '[1, , 3]',
};

/** What 1.1.5 cannot send. @type {Record<string, string>} */
const UNSENDABLE = {
  BigInt: '10n',
  'BigInt inside': '({ n: 10n })',
  cycle: '(() => { const loop = {}; loop.self = loop; return loop; })()',
  toJSON: '({ secret: 1, toJSON: () => ({ shown: 2 }) })',
  'method inside': '({ run() {}, kept: 1 })',
  function: '(function add() {})',
  symbol: "Symbol('s')",
};

/**
 * 1.1.5 asks `data.value ? ... : ...` in the primary, so that every falsy value is lost that a
 * worker sets, in both modes. JSON makes null of Infinity.
 */
const LOST = /** @type {const} */ ([
  ['zero', '0'],
  ['empty string', "''"],
  ['false', 'false'],
  ['null', 'null'],
  ['NaN', 'NaN'],
  ['minus zero', '-0'],
]).map(([label, is]) => ({ label, was: 'undefined', is }));
const INFINITY = { label: 'Infinity', is: 'Infinity' };

const BYTES_AS_JSON = [
  { label: 'Buffer', was: "{ type: 'Buffer', data: [ 97, 98 ] }", is: '<Buffer 61 62>' },
  { label: 'Uint8Array', was: "{ '0': 1, '1': 2 }", is: 'Uint8Array(2) [ 1, 2 ]' },
];

/** In the primary of 1.1.5 there is no mode: it keeps the object itself. */
const LIVE_AND_JSON = [
  ['Date', '1970-01-01T00:00:00.000Z', "'1970-01-01T00:00:00.000Z'"],
  ['RegExp', '/x/g', '{}'],
  ['Map', 'Map(1) { 1 => 2 }', '{}'],
  ['Set', 'Set(1) { 1 }', '{}'],
  ['Error', 'RangeError: mine', '{}'],
  ['boxed string', "[String: 'boxed']", "'boxed'"],
  ['Buffer inside', '{ bytes: <Buffer 61 62> }', "{ bytes: { type: 'Buffer', data: [ 97, 98 ] } }"],
  ['numbers inside', '[ NaN, Infinity, -0, undefined ]', '[ null, null, 0, null ]'],
  ['undefined inside', '{ gone: undefined, kept: null }', '{ kept: null }'],
  ['sparse array', '[ 1, <1 empty item>, 3 ]', '[ 1, null, 3 ]'],
].map(([label, was, is]) => ({ label, was, is }));

const LIVE_AND_BOTH = [
  ['instance', 'Point { x: 1 }', '{ x: 1 }'],
  ['symbol as name', inspect({ kept: 2, [Symbol()]: 1 }), '{ kept: 2 }'],
].map(([label, was, is]) => ({ label, was, is }));

const IN_ONE_PLACE = [
  ...place('worker', undefined, LOST),
  ...place('worker', 'json', [{ ...INFINITY, was: 'undefined' }, ...BYTES_AS_JSON]),
  ...place('primary', 'json', LIVE_AND_JSON),
  ...place('primary', undefined, LIVE_AND_BOTH),
];

test('values that one place sets and gets', () =>
  compareEverywhere(
    async ({ memory, input, outcome, say, show }) => {
      for (const [name, source] of Object.entries(input)) {
        await memory.set('a', new Function(`return ${source}`)());
        say([name, await outcome(() => memory.get('a'))]);
      }
      say(['a missing one', show(await memory.get('missing'))]);
    },
    { input: VALUES, differences: IN_ONE_PLACE },
  ));

test('values that one place puts into the LRU and gets from it', () =>
  compareEverywhere(
    async ({ memory, input, outcome, say, show }) => {
      for (const [name, source] of Object.entries(input)) {
        await memory.setLRU('a', new Function(`return ${source}`)());
        say([name, await outcome(() => memory.getLRU('a'))]);
      }
      say(['a missing one', show(await memory.getLRU('missing'))]);
    },
    { input: VALUES, differences: IN_ONE_PLACE },
  ));

test('values that one place sets and a listener of its own hears', () =>
  compareEverywhere(
    async ({ memory, input, say, show, until }) => {
      const heard = /** @type {string[]} */ ([]);
      // What 1.1.5 hears in the primary is the object itself, and may be changed later.
      memory.listen('a', (value) => heard.push(show(value)));
      for (const [name, source] of Object.entries(input)) {
        await memory.set('a', new Function(`return ${source}`)());
        await until(() => heard.length > 0);
        say([name, heard.shift()]);
      }
    },
    { input: VALUES, differences: IN_ONE_PLACE },
  ));

test('values that a worker sets and the primary and another worker get', () =>
  comparePrograms(
    {
      primary: async ({ memory, input, show, say, fork, ended }) => {
        memory;
        await ended(fork('setter'));
        for (const name of Object.keys(input)) say([name, show(await memory.get(name))]);
        await ended(fork('getter'));
      },
      setter: async ({ memory, input }) => {
        for (const [name, source] of Object.entries(input)) {
          await memory.set(name, new Function(`return ${source}`)());
        }
      },
      getter: async ({ memory, input, show, say }) => {
        for (const name of Object.keys(input)) {
          say([`${name} in a worker`, show(await memory.get(name))]);
        }
      },
    },
    {
      input: VALUES,
      differences: [
        ...alsoInAWorker(LOST),
        ...alsoInAWorker([{ ...INFINITY, was: 'undefined' }]).map(inJson),
        ...alsoInAWorker(BYTES_AS_JSON).map(inJson),
      ],
    },
  ));

test('values that the primary sets and a worker gets', () =>
  comparePrograms(
    {
      primary: async ({ memory, input, workers }) => {
        for (const [name, source] of Object.entries(input)) {
          await memory.set(name, new Function(`return ${source}`)());
        }
        await workers();
      },
      worker: async ({ memory, input, show, say }) => {
        for (const name of Object.keys(input)) say([name, show(await memory.get(name))]);
      },
    },
    {
      input: VALUES,
      differences: [
        { label: 'NaN', was: 'null', is: 'NaN', mode: 'json' },
        { label: 'Infinity', was: 'null', is: 'Infinity', mode: 'json' },
        { label: 'minus zero', was: '0', is: '-0', mode: 'json' },
        ...BYTES_AS_JSON.map(inJson),
      ],
    },
  ));

const NOT_CLONED = {
  toJSON: 'Error () => ({ shown: 2 }) could not be cloned.',
  'method inside': 'Error run() {} could not be cloned.',
  function: 'Error function add() {} could not be cloned.',
  symbol: 'Error Symbol(s) could not be cloned.',
};

const NO_VALUE = ['function', 'symbol'].map((name) => ({
  label: `set ${name}`,
  is: 'TypeError ERR_INVALID_ARG_TYPE',
  mode: /** @type {const} */ ('json'),
}));

test('values that cannot be sent', () =>
  compareEverywhere(
    async ({ memory, input, outcome, say }) => {
      for (const [name, source] of Object.entries(input)) {
        await memory.remove('a');
        const value = new Function(`return ${source}`)();
        const set = await outcome(async () => {
          await memory.set('a', value);
          return 'is done';
        });
        // The first line, for that of a cycle goes on about where it is.
        say([`set ${name}`, set.split('\n')[0]]);
        say([name, await outcome(() => memory.get('a'))]);
      }
    },
    {
      input: UNSENDABLE,
      differences: [
        // A worker of 1.1.5 in mode json has sent a message without a value.
        ...place(
          'worker',
          undefined,
          NO_VALUE.map((one) => ({ ...one, was: "'is done'" })),
        ),
        ...place(
          'primary',
          undefined,
          NO_VALUE.map((one) => ({ ...one, was: "'is done'" })),
        ),
        // The primary of 1.1.5 keeps every object itself.
        ...['BigInt', 'BigInt inside'].map((name) =>
          kept(name, 'json', 'TypeError Do not know how to serialize a BigInt'),
        ),
        kept('cycle', 'json', 'TypeError Converting circular structure to JSON'),
        ...Object.entries(NOT_CLONED).map(([name, is]) => kept(name, 'advanced', is)),
        ...place('primary', 'json', [
          { label: 'BigInt', was: '10n', is: 'undefined' },
          { label: 'BigInt inside', was: '{ n: 10n }', is: 'undefined' },
          { label: 'cycle', was: '<ref *1> { self: [Circular *1] }', is: 'undefined' },
          { label: 'toJSON', was: '{ secret: 1, toJSON: [Function: toJSON] }', is: '{ shown: 2 }' },
          { label: 'method inside', was: '{ run: [Function: run], kept: 1 }', is: '{ kept: 1 }' },
          { label: 'function', was: '[Function: add]', is: 'undefined' },
          { label: 'symbol', was: 'Symbol(s)', is: 'undefined' },
        ]),
        ...place('primary', 'advanced', [
          { label: 'toJSON', was: '{ secret: 1, toJSON: [Function: toJSON] }', is: 'undefined' },
          { label: 'method inside', was: '{ run: [Function: run], kept: 1 }', is: 'undefined' },
          { label: 'function', was: '[Function: add]', is: 'undefined' },
          { label: 'symbol', was: 'Symbol(s)', is: 'undefined' },
        ]),
      ],
    },
  ));

test('whether a value is the very object that was set', () =>
  compareEverywhere(
    async ({ memory, say, show }) => {
      const value = { list: [1] };
      await memory.set('a', value);
      const first = await memory.get('a');
      first.list.push(2);
      say(['what was set', show(value)]);
      say(['what is stored', show(await memory.get('a'))]);
      say(['the same object', show(first === value)]);
    },
    {
      differences: place('primary', undefined, [
        { label: 'what was set', was: '{ list: [ 1, 2 ] }', is: '{ list: [ 1 ] }' },
        { label: 'what is stored', was: '{ list: [ 1, 2 ] }', is: '{ list: [ 1 ] }' },
        { label: 'the same object', was: 'true', is: 'false' },
      ]),
    },
  ));

/**
 * @param {'primary' | 'worker'} where
 * @param {'json' | 'advanced' | undefined} mode
 * @param {Difference[]} differences
 */
function place(where, mode, differences) {
  return differences.map((one) => ({ ...one, in: where, mode: mode ?? one.mode }));
}

/** @param {Difference[]} differences */
function alsoInAWorker(differences) {
  return differences.flatMap((one) => [one, { ...one, label: `${one.label} in a worker` }]);
}

/** @param {Difference} difference */
function inJson(difference) {
  return { ...difference, mode: /** @type {const} */ ('json') };
}

/** @param {string} name @param {'json' | 'advanced'} mode @param {string} is @returns {Difference} */
function kept(name, mode, is) {
  return { label: `set ${name}`, was: "'is done'", is, in: 'primary', mode };
}
