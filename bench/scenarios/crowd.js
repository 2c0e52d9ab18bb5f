'use strict';

// More and more workers on two CPUs: together they should do as much as two. What counts is what all
// have done in the same span of time, and not what each has done in its own: who waits longest for a
// CPU would begin last, and have it for itself in the end.

const { now, sleepUntil } = require('../clock.js');
const { onTwo } = require('../cpus.js');
const { steps } = require('./races.js');

/** @typedef {import('../../index.js').SharedMemory} SharedMemory */
/** @typedef {import('./index.js').Row} Row */
/** @typedef {import('./index.js').Scenario} Scenario */

const SIZES = [2, 4, 8, 16];
const [FEWEST] = SIZES;
const MOST = Math.max(...SIZES);
/** Within 15 % of the total of two. */
const AS_MUCH = 0.85;
const STRIDE = 100;
const HEAD_START_MS = 30;
/** Many turns of each worker, of which the system gives it one every some ms. */
const SHORTEST_MS = 200;

const jobs = {
  /**
   * Steps that are done between two moments.
   * @param {SharedMemory} memory
   * @param {{ step: string, from: number, until: number }} input
   */
  async crowd(memory, { step: name, from, until }) {
    const step = steps[name](memory);
    await sleepUntil(from);
    let done = 0;
    while (now() < until) {
      for (let i = 0; i < STRIDE; i += 1) step();
      done += STRIDE;
    }
    return done;
  },
};

/**
 * Steps a second, all workers together.
 * @param {import('./index.js').Stage} stage
 * @param {string} step
 * @param {number} size
 * @param {number} ms
 */
async function total(stage, step, size, ms) {
  const from = now() + HEAD_START_MS;
  const which = Array.from({ length: size }, (_, index) => index);
  /** @type {number[]} */
  const done = await stage.workers('crowd', { step, from, until: from + ms }, which);
  return (done.reduce((sum, each) => sum + each, 0) * 1000) / ms;
}

/** @type {(step: string, title: string) => Row[]} */
const rows = (step, title) =>
  SIZES.map((size) => ({
    name: `${title}, ${size} workers`,
    figure: `${step} ${size}`,
    unit: 'rate',
    targets: size === FEWEST ? [] : [{ speed: AS_MUCH, of: [`${step} ${FEWEST}`] }],
  }));

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'crowd',
    title: 'sync, more and more workers on two CPUs',
    cpus: onTwo(MOST),
    needs: [],
    beside: [],
    slow: true,
    rows: [...rows('mixed', 'mixed 90/10'), ...rows('incr', 'incr of one key')],
    prepare: (stage) => stage.worker(0, 'fillRaces'),
    async round(stage, { ms }) {
      /** @type {Record<string, number>} */
      const found = {};
      for (const step of ['mixed', 'incr']) {
        for (const size of SIZES) {
          found[`${step} ${size}`] = await total(stage, step, size, Math.max(ms, SHORTEST_MS));
        }
      }
      return found;
    },
  },
];

module.exports = { scenarios, jobs };
