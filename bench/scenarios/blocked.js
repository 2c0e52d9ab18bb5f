'use strict';

// Reading in a worker while the event loop of the primary is blocked.

const { now, sleepUntil, waitedForCpu } = require('../clock.js');
const { spread } = require('../cpus.js');
const { percentile } = require('../figures.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Scenario} Scenario */

const KEY = 'user';
const BLOCK_MS = 500;
const HEAD_START_MS = 30;
/** More than there can be in the time. */
const MOST_SAMPLES = 2 ** 21;

/** Who takes longer is asked whether it had a CPU all the while. */
const LONG_MS = 1;

const samples = new Float64Array(MOST_SAMPLES);

const jobs = {
  /** @param {Operations} operations */
  fillBlocked: (operations) => operations.set(KEY, { name: 'Tom', age: 10 }),

  /**
   * ns of the gets that begin in a time, one after the other.
   * @param {Operations} operations
   * @param {{ from: number, until: number }} input
   */
  async timeGets(operations, { from, until }) {
    await sleepUntil(from);
    let count = 0;
    let longestOwn = 0;
    let waited = waitedForCpu();
    let before = now();
    while (before < until && count < MOST_SAMPLES) {
      await operations.get(KEY);
      const took = now() - before;
      samples[count] = took * 1e6;
      count += 1;
      if (took > LONG_MS) {
        const waits = waitedForCpu() - waited;
        waited += waits;
        longestOwn = Math.max(longestOwn, (took - waits) * 1e6);
      }
      before = now();
    }
    const sorted = samples.subarray(0, count).sort();
    return { p999: percentile(sorted, 0.999), longest: sorted[count - 1], longestOwn };
  },
};

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'blocked',
    title: 'get while the primary is blocked',
    cpus: spread(1),
    needs: ['get', 'set'],
    beside: ['1.1.5'],
    rounds: 7,
    rows: [
      {
        name: 'get while the primary is blocked, p99.9',
        figure: 'p999',
        unit: 'time',
        targets: [{ most: 1e6 }],
      },
      {
        name: 'get while the primary is blocked, longest',
        figure: 'longest',
        unit: 'time',
        worst: true,
        targets: [{ most: 50e6 }],
      },
      {
        name: 'less waits for a CPU',
        figure: 'longestOwn',
        unit: 'time',
        worst: true,
        detail: true,
      },
    ],
    prepare: (stage) => stage.worker(0, 'fillBlocked'),
    async round(stage) {
      const from = now() + HEAD_START_MS;
      const until = from + BLOCK_MS;
      const timed = stage.worker(0, 'timeGets', { from, until });
      await stage.primary('block', { from: from - 5, until });
      return timed;
    },
  },
];

module.exports = { scenarios, jobs };
