'use strict';

// Values that another process has set since they were read last. What a reader keeps for itself
// cannot help it here: every value is decoded anew. One row is of values that the reader reads once
// after each change, one of values that it has read again and again until they were changed.

const { now } = require('../clock.js');
const { spread } = require('../cpus.js');
const { median } = require('../figures.js');

/** @typedef {import('../peers/index.js').Sync} Sync */
/** @typedef {import('./index.js').Stage} Stage */
/** @typedef {import('./index.js').Scenario} Scenario */
/** @typedef {{ sync: Sync }} Operations */

const COUNT = 2000;
const NEW = Array.from({ length: COUNT }, (_, index) => `changed:new:${index}`);
const KNOWN = Array.from({ length: COUNT }, (_, index) => `changed:known:${index}`);
/** Reads after which whoever keeps values keeps these. */
const TO_KNOW = 3;

/** How often all were set. */
let times = 0;

/**
 * ns a read, each key once.
 * @param {Sync} sync
 * @param {string[]} keys
 * @param {number} age what all of them are
 */
function readAll({ get }, keys, age) {
  let sum = 0;
  const from = now();
  for (let i = 0; i < keys.length; i += 1) sum += get(keys[i]).age;
  const took = ((now() - from) * 1e6) / keys.length;
  if (sum !== age * keys.length) throw new Error('gave values that are no longer there');
  return took;
}

const jobs = {
  /** Sets all keys anew; gives what they are now. @param {Operations} operations */
  changeAll({ sync }) {
    times += 1;
    for (const key of [...NEW, ...KNOWN]) sync.set(key, { name: 'Tom', age: times });
    return times;
  },

  /**
   * ns a read of each kind.
   * @param {Operations} operations
   * @param {{ age: number }} input
   */
  readChanged({ sync }, { age }) {
    const fresh = readAll(sync, NEW, age);
    const changed = readAll(sync, KNOWN, age);
    for (let reads = 1; reads < TO_KNOW; reads += 1) readAll(sync, KNOWN, age);
    return { fresh, changed };
  },
};

/** @param {Stage} stage */
async function readOnce(stage) {
  const age = await stage.worker(1, 'changeAll');
  return stage.worker(0, 'readChanged', { age });
}

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'sync-changed',
    title: 'values that another worker has just set, sync',
    cpus: spread(2),
    needs: ['sync.get', 'sync.set'],
    rows: [
      {
        name: 'sync get, set since by another, read once',
        figure: 'fresh',
        unit: 'time',
        targets: [{ beside: 'fastest', speed: 1.1 }],
      },
      {
        name: 'sync get, set since by another, known before',
        figure: 'changed',
        unit: 'time',
        targets: [{ beside: 'fastest', speed: 1.1 }],
      },
    ],
    prepare: readOnce,
    async round(stage, { ms }) {
      const until = now() + ms;
      /** @type {Record<'fresh' | 'changed', number>[]} */
      const passes = [];
      do passes.push(await readOnce(stage));
      while (now() < until);
      return {
        fresh: median(passes.map(({ fresh }) => fresh)),
        changed: median(passes.map(({ changed }) => changed)),
      };
    },
  },
];

module.exports = { scenarios, jobs };
