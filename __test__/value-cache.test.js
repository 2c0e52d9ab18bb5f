'use strict';

// Values that are kept decoded: what is read is a copy, equal to what JSON.parse gives, and the newest.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { runNode } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

const LIMIT = { timeout: 60_000 };
/** From the second time on a value is kept, and from the third on it is a copy of what is kept. */
const READS = 4;

/** What is read, time after time. @param {unknown} value @param {any} [space] */
function reads(value, space = memory) {
  space.sync.set('value', value);
  return Array.from({ length: READS }, () => space.sync.get('value'));
}

/** Whether each object in one is another than that in the other. @type {(one: any, other: any) => boolean} */
function sharesNothing(one, other) {
  if (typeof one !== 'object' || one === null) return true;
  return one !== other && Object.keys(one).every((key) => sharesNothing(one[key], other[key]));
}

/** Objects and arrays, nested at random. @param {number} depth @returns {any} */
function anything(depth) {
  const pick = Math.floor(Math.random() * (depth > 0 ? 10 : 6));
  const length = Math.floor(Math.random() * 6);
  const texts = [
    '',
    'a',
    '__proto__',
    'constructor',
    'length',
    '0',
    '10',
    '\u4e2d',
    '\ud800',
    'toJSON',
  ];
  const text = () => texts[Math.floor(Math.random() * texts.length)];
  switch (pick) {
    case 0:
      return null;
    case 1:
      return Math.random() < 0.5;
    case 2:
      return Math.floor(Math.random() * 1e6) - 5e5;
    case 3:
      return Math.random() * 10 ** Math.floor(Math.random() * 600 - 300);
    case 4:
      return text();
    case 5:
      return 'long '.repeat(length * 20);
    case 6:
    case 7:
      return Array.from({ length }, () => anything(depth - 1));
    default:
      return JSON.parse(
        `{${Array.from({ length }, () => `${JSON.stringify(text())}:${JSON.stringify(anything(depth - 1))}`)}}`,
      );
  }
}

test('what was got may be changed, and nobody else sees it', LIMIT, async () => {
  await saysEverywhere(
    async ({ memory, say }) => {
      const { sync } = memory;
      sync.set('value', { list: [1, { a: 1 }], in: { in: {} }, text: 'x' });
      for (let i = 0; i < 5; i += 1) {
        for (const value of [sync.get('value'), await memory.get('value')]) {
          value.list[1].a = 2;
          value.list.push(3);
          value.in.in.more = true;
          delete value.text;
        }
      }
      say(sync.get('value'));
      say((await memory.getMany(['value', 'value'])).map(({ list }) => list));
    },
    [
      { list: [1, { a: 1 }], in: { in: {} }, text: 'x' },
      [
        [1, { a: 1 }],
        [1, { a: 1 }],
      ],
    ],
  );
});

test('random values are what JSON.parse gives, each time, and no two share anything', LIMIT, () => {
  for (let i = 0; i < 3000; i += 1) {
    const value = anything(5);
    const text = JSON.stringify(value);
    const all = reads(value);
    const expected = typeof value === 'object' ? JSON.parse(text) : value;
    for (const one of all) {
      assert.deepStrictEqual(one, expected, text);
      assert.equal(JSON.stringify(one), text);
    }
    assert.ok(sharesNothing(all[2], all[3]), text);
  }
});

test('odd objects are what JSON.parse gives', LIMIT, () => {
  const deep = '['.repeat(1000) + ']'.repeat(1000);
  const deepObject = `${'{"a":'.repeat(1000)}1${'}'.repeat(1000)}`;
  for (const text of [
    '{"__proto__":{"a":1}}',
    '{"__proto__":1,"b":{"__proto__":[1]}}',
    '{"a":{"__proto__":null},"__proto__":"x"}',
    '[{"__proto__":{"a":[{"__proto__":{}}]}}]',
    '{"constructor":{"prototype":{}},"hasOwnProperty":[],"toString":{}}',
    '{"2":{},"1":[],"b":{},"a":[],"-1":[[]],"4294967295":{},"01":{}}',
    '{"":{"":{"":[]}}}',
    '[[],[[]],[[[]]],{}]',
    '[null,[null,{"a":null}]]',
    deep,
    deepObject,
    JSON.stringify(Array.from({ length: 100_000 }, (_, i) => i)),
    JSON.stringify(Array.from({ length: 20_000 }, (_, i) => ({ i }))),
    JSON.stringify(Object.fromEntries(Array.from({ length: 5000 }, (_, i) => [`k${i}`, [i]]))),
  ]) {
    const expected = JSON.parse(text);
    // Integers come first, and what stands in the segment is what JSON.stringify makes of it.
    const written = JSON.stringify(expected);
    for (const one of reads(expected)) {
      assert.ok(JSON.stringify(one) === written, text.slice(0, 100));
      assert.equal(Object.getPrototypeOf(one), Object.getPrototypeOf(expected));
      if (text.length < 1000) assert.deepStrictEqual(one, expected);
    }
  }
});

test('numbers in JSON are what JSON.parse gives, -0 and duplicates too', LIMIT, () => {
  // As an object with toJSON may have them written: -0 is written as 0.
  for (const one of reads({ zero: -0, large: 1e300, exact: 2 ** 53 })) {
    assert.ok(Object.is(one.zero, 0));
    assert.deepStrictEqual(one, { zero: 0, large: 1e300, exact: 2 ** 53 });
  }
  for (const one of reads(-0)) assert.ok(Object.is(one, -0));
});

test('what is kept is copied right though prototypes are extended', LIMIT, async () => {
  const { output } = await runNode([
    '-e',
    `const memory = require('./index.js');
     let calls = 0;
     const trap = { configurable: true, get() { calls += 1; return 1; }, set() { calls += 1; } };
     Object.defineProperty(Object.prototype, 'trapped', { ...trap, enumerable: true });
     Object.defineProperty(Object.prototype, 'inner', trap);
     Object.defineProperty(Array.prototype, '5', trap);
     Object.prototype[Symbol('s')] = {};
     Object.prototype.polluted = { a: 1 };
     const value = { inner: { list: [[1], [2]] }, trapped: [{}] };
     memory.sync.set('value', value);
     const before = calls;
     for (let i = 0; i < 4; i += 1) {
       const read = memory.sync.get('value');
       console.log(JSON.stringify(read), Object.keys(read).length, Object.hasOwn(read, 'polluted'));
     }
     console.log(calls - before);`,
  ]);
  const one = '{"inner":{"list":[[1],[2]]},"trapped":[{}]} 2 false\n';
  assert.equal(output, `${one.repeat(4)}0\n`);
});

test('long strings, and values of every other kind, come back each time', LIMIT, () => {
  const bytes = Buffer.from('bytes');
  for (const value of ['x'.repeat(255), 'x'.repeat(256), '\u4e2d'.repeat(500), 'x'.repeat(3e6)]) {
    for (const one of reads(value)) assert.ok(one === value);
  }
  for (const value of [1, true, null, undefined, bytes, new Uint8Array(bytes), [], {}]) {
    for (const one of reads(value)) assert.deepStrictEqual(one, value);
  }
  const [, , read, again] = reads(bytes);
  read[0] = 0;
  assert.equal(again[0], bytes[0]);
  for (const one of reads({ toJSON: () => 'y'.repeat(300) })) assert.equal(one, 'y'.repeat(300));
  for (const one of reads({ toJSON: () => null })) assert.equal(one, null);
});

test('clones of mode advanced are as new each time', LIMIT, () => {
  memory.configure({ mode: 'advanced' });
  const value = { at: new Date(0), map: new Map([[1, { a: 1 }]]) };
  for (const one of reads(value)) {
    assert.deepStrictEqual(one, value);
    one.map.set(1, { a: 2 });
    one.at.setTime(5);
  }
  memory.configure({ mode: 'json' });
  for (const one of reads({ at: 'text' })) assert.deepStrictEqual(one, { at: 'text' });
});

test('the same key in two namespaces is kept apart', LIMIT, () => {
  const spaces = [memory, memory.namespace('one'), memory.namespace('other')];
  for (const [i, { sync }] of spaces.entries()) sync.set('value', { i });
  for (let turn = 0; turn < READS; turn += 1) {
    for (const [i, { sync }] of spaces.entries()) assert.deepEqual(sync.get('value'), { i });
  }
});

test('keys that stand for the same string are one, and special ones are kept too', LIMIT, () => {
  for (const key of ['__proto__', 'constructor', '', 'a'.repeat(2000), '\u4e2d', 1, true]) {
    memory.sync.set(key, { key });
    for (let i = 0; i < READS; i += 1) assert.deepEqual(memory.sync.get(key), { key });
    assert.deepEqual(memory.sync.get(String(key)), { key });
    memory.sync.set(String(key), { again: key });
    assert.deepEqual(memory.sync.get(key), { again: key });
  }
});
