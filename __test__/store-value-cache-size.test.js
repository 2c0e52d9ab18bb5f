'use strict';

// How much is kept decoded: a bounded amount, whatever the values are, and nothing if so wished.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { runNode } = require('./helpers.js');

const LIMIT = { timeout: 120_000 };

/**
 * By how many MiB the heap grows when many keys are read three times.
 * @param {{ count: number, value: string, valueCache?: number | string }} scene
 */
async function growth({ count, value, valueCache }) {
  const { output } = await runNode([
    '--expose-gc',
    '-e',
    `const memory = require('./index.js');
     memory.configure({ maxMemory: '512mb', valueCache: ${JSON.stringify(valueCache)} });
     const { get, set } = memory.sync;
     for (let i = 0; i < ${count}; i += 1) set('key ' + i, ${value});
     for (let i = 0; i < 3; i += 1) get('key 0');
     gc();
     const before = process.memoryUsage().heapUsed;
     for (let turn = 0; turn < 2; turn += 1) {
       for (let i = 0; i < ${count}; i += 1) for (let times = 0; times < 3; times += 1) get('key ' + i);
     }
     gc();
     console.log((process.memoryUsage().heapUsed - before) / 2 ** 20);`,
  ]);
  return Number(output);
}

/** About three times the 8 MiB of text, and something beside. */
const MOST_MIB = 32;

for (const [what, count, value] of /** @type {Array<[string, number, string]>} */ ([
  ['small objects', 100_000, '{ name: "Tom", age: i }'],
  ['empty objects', 100_000, '{}'],
  ['long texts', 20_000, '"x".repeat(1000) + i'],
  ['objects of objects', 10_000, 'Array.from({ length: 100 }, () => [])'],
  ['lists of numbers', 2000, 'Array.from({ length: 1000 }, (_, i) => i)'],
  ['large objects', 200, '{ text: "x".repeat(500_000), i }'],
])) {
  test(`the heap does not grow beyond a bound: ${what}`, LIMIT, async () => {
    const grown = await growth({ count, value });
    assert.ok(grown < MOST_MIB, `${grown} MiB`);
  });
}

test('it keeps what valueCache says, and nothing if that is 0', LIMIT, async () => {
  const scene = { count: 20_000, value: '{ name: "Tom", list: [i] }' };
  assert.ok((await growth({ ...scene, valueCache: 0 })) < 0.5);
  assert.ok((await growth({ ...scene, valueCache: '256kb' })) < 2);
  const much = await growth({ ...scene, valueCache: '64mb' });
  assert.ok(much > 4, `${much} MiB`);
});

test('with valueCache 0 from the middle on nothing is kept, and all is right', LIMIT, async () => {
  const { output } = await runNode([
    '-e',
    `const memory = require('./index.js');
     const space = memory.namespace('space');
     for (const valueCache of [undefined, 0, 100, '1mb', 0]) {
       memory.configure({ valueCache });
       for (const { sync } of [memory, space, memory.namespace('later ' + valueCache)]) {
         sync.set('key', { a: [1] });
         for (let i = 0; i < 4; i += 1) {
           const value = sync.get('key');
           value.a.push(2);
           if (JSON.stringify(sync.get('key')) !== '{"a":[1]}') console.log('wrong', valueCache);
         }
       }
     }
     console.log('done');`,
  ]);
  assert.equal(output, 'done\n');
});
