'use strict';

// Many keys in one call: 100 small objects, in turn one of ten such hundreds, so that no read is of
// what was read last.

const assert = require('node:assert');
const { repeat, repeatLoop } = require('../clock.js');
const { spread } = require('../cpus.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Stage} Stage */
/** @typedef {import('./index.js').Row} Row */
/** @typedef {import('./index.js').Scenario} Scenario */
/** @typedef {{ call: 'getMany' | 'setMany', ms: number }} Order */

const OBJECT = { name: 'Tom', age: 10 };
const COUNT = 100;
const HUNDREDS = Array.from({ length: 10 }, (_, hundred) =>
  Array.from({ length: COUNT }, (_, index) => `many:${hundred * COUNT + index}`),
);
/** @type {[string, typeof OBJECT][][]} */
const ENTRIES = HUNDREDS.map((keys) => keys.map((key) => [key, OBJECT]));

/** Where results go, so that no loop is optimised away. @type {unknown} */
let sink;

const jobs = {
  /** @param {Operations} operations */
  async fillMany(operations) {
    const expected = HUNDREDS[0].map(() => OBJECT);
    for (const [index, entries] of ENTRIES.entries()) {
      await operations.setMany(entries);
      assert.deepStrictEqual(await operations.getMany(HUNDREDS[index]), expected);
    }
  },

  /** @param {{ sync: import('../peers/index.js').Sync }} operations */
  fillManySync({ sync }) {
    for (const entries of ENTRIES) sync.setMany(entries);
    const expected = HUNDREDS[0].map(() => OBJECT);
    assert.deepStrictEqual(sync.getMany(HUNDREDS[0]), expected);
  },

  /**
   * ns a call.
   * @param {Operations} operations
   * @param {Order} order
   */
  async loopMany(operations, { call, ms }) {
    let turn = 0;
    const next = () => {
      turn = (turn + 1) % HUNDREDS.length;
      return turn;
    };
    const step =
      call === 'getMany'
        ? () => operations.getMany(HUNDREDS[next()])
        : () => operations.setMany(ENTRIES[next()]);
    const took = await repeat(step, ms);
    return (took.ms * 1e6) / took.done;
  },

  /**
   * ns a call.
   * @param {Operations} operations
   * @param {Order} order
   */
  loopManySync({ sync: { getMany, setMany } }, { call, ms }) {
    if (call === 'setMany') {
      return repeatLoop((calls) => {
        for (let i = 0; i < calls; i += 1) setMany(ENTRIES[i % ENTRIES.length]);
      }, ms);
    }
    const took = repeatLoop((calls) => {
      for (let i = 0; i < calls; i += 1) sink = getMany(HUNDREDS[i % HUNDREDS.length]);
    }, ms);
    assert.ok(Array.isArray(sink));
    return took;
  },
};

/** @type {(how: string) => Row[]} */
const rows = (how) => [
  {
    name: `${how} getMany, 100 small objects`,
    figure: 'getMany',
    unit: 'time',
    targets: [{ beside: 'fastest', speed: 1.5 }],
  },
  {
    name: `${how} setMany, 100 small objects`,
    figure: 'setMany',
    unit: 'time',
    targets: [{ beside: 'fastest', speed: 1.5 }],
  },
];

/** @type {(job: string) => Scenario['round']} */
const round =
  (job) =>
  async (stage, { ms }) => ({
    getMany: await stage.worker(0, job, { call: 'getMany', ms }),
    setMany: await stage.worker(0, job, { call: 'setMany', ms }),
  });

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'many',
    title: '100 keys in one call, awaited',
    cpus: spread(1),
    needs: ['getMany', 'setMany'],
    rows: rows('await'),
    prepare: (stage) => stage.worker(0, 'fillMany'),
    round: round('loopMany'),
  },
  {
    name: 'many-sync',
    title: '100 keys in one call, sync',
    cpus: spread(1),
    needs: ['sync.getMany', 'sync.setMany'],
    rows: rows('sync'),
    prepare: (stage) => stage.worker(0, 'fillManySync'),
    round: round('loopManySync'),
  },
];

module.exports = { scenarios, jobs };
