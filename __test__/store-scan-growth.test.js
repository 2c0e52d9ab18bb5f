'use strict';

// Scans of a table that others let grow a hundredfold meanwhile.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

/** @typedef {Parameters<import('./program.js').Job>[0]} Tools */

const LIMIT = { timeout: 120_000 };
const STAY = 2000;
const GROW = 200_000;

/** Sets many keys, and removes and sets again some. @param {Tools} tools */
async function grow({ cluster, memory, input: { stay, grow } }) {
  const { id } = /** @type {import('node:cluster').Worker} */ (cluster.worker);
  const space = memory.namespace('other');
  for (let i = 0; !memory.sync.has('!stop'); i += 1) {
    if (i < grow / 2) memory.sync.set(`new ${id} ${i}`, i);
    else await new Promise((resolve) => setImmediate(resolve));
    if (i % 4 === 0) memory.sync.remove(`comes and goes ${(i >> 2) % (stay / 4)}`);
    if (i % 4 === 2) memory.sync.set(`comes and goes ${(i >> 2) % (stay / 4)}`, i);
    if (i % 8 === 1) memory.sync.set(`stays ${i % stay}`, i);
    if (i % 16 === 1) space.sync.set(`other ${i}`, i);
    if (i === grow / 2) await memory.incr('!grown');
  }
}

/** Goes through all while the table grows, and says what it met. @param {Tools} tools */
async function goThrough({ memory, input: { stay, grow, form }, workers, until, sleep, say }) {
  for (let i = 0; i < stay; i += 1) memory.sync.set(`stays ${i}`, -1);
  const growth = workers(2);
  await until(() => memory.sync.size() > stay);
  const before = memory.sync.size();
  const scanOnce = async (/** @type {any} */ keys) => {
    const met = new Map();
    let stays = 0;
    for await (const given of keys) {
      const key = typeof given === 'string' ? given : given[0];
      met.set(key, (met.get(key) ?? 0) + 1);
      if (!key.startsWith('stays')) continue;
      stays += 1;
      // As far as the scan is, so far is the growth.
      while (memory.sync.size() < (grow * stays) / stay && !memory.sync.has('!grown'))
        await sleep(1);
    }
    return met;
  };
  const forms = /** @type {Record<string, any>} */ ({
    keys: () => memory.keys(),
    entries: () => memory.entries(),
    keysNow: () => memory.sync.keys(),
    entriesNow: () => memory.sync.entries(),
  });
  const scans = await Promise.all([scanOnce(forms[form]()), scanOnce(forms[`${form}Now`]())]);
  await until(() => memory.sync.get('!grown') === 2);
  const after = memory.sync.size();
  // And some in a table that is as large as it gets, while keys come and go.
  scans.push(await scanOnce(forms[form]()));
  await memory.set('!stop', true);
  await growth;
  for (const met of scans) {
    const names = [...met.keys()];
    say({
      stays: names.filter((key) => key.startsWith('stays ')).length,
      others: names.filter((key) => key.startsWith('other')).length,
      twice: names.filter((key) => met.get(key) > 1).length,
    });
  }
  say(after / before);
}

for (const form of ['keys', 'entries']) {
  test(
    `${form} gives what is there all the while exactly once, and nothing twice`,
    LIMIT,
    async () => {
      const input = { stay: STAY, grow: GROW, form };
      const said = await run({ primary: goThrough, worker: grow }, { input, timeoutMs: 110_000 });
      const growth = said.pop();
      assert.ok(growth >= 20, `it grew ${growth} times`);
      assert.deepEqual(said, Array(3).fill({ stays: STAY, others: 0, twice: 0 }));
    },
  );
}

test('clear removes all that is there all the while, under writers', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, until, say }) => {
      for (let i = 0; i < 20_000; i += 1) memory.sync.set(`stays ${i}`, i);
      const space = memory.namespace('other');
      await space.set('kept', 1);
      const others = workers(2);
      await until(() => memory.sync.get('ready') === 2);
      await memory.clear();
      let left = 0;
      for (let i = 0; i < 20_000; i += 1) left += memory.sync.has(`stays ${i}`) ? 1 : 0;
      await space.set('stop', true);
      await others;
      await memory.clear();
      say([left, await memory.size(), await space.get('kept')]);
    },
    worker: async ({ cluster, memory }) => {
      const space = memory.namespace('other');
      await memory.incr('ready');
      for (let i = 0; !space.sync.has('stop'); i += 1) {
        memory.sync.set(`new ${cluster.worker?.id} ${i % 50_000}`, i);
      }
    },
  });
  assert.deepEqual(said, [[0, 0, 1]]);
});
