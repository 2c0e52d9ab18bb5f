'use strict';

// Memory: by how much all processes together grow with many entries. The sum of their proportional
// set sizes counts a page that several share once; garbage is collected before it is read.

const fs = require('node:fs');
const v8 = require('node:v8');
const vm = require('node:vm');
const { sleep } = require('../clock.js');
const { spread } = require('../cpus.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Scenario} Scenario */

const ENTRIES = 100_000;
const BYTES = 200;
/** So many are asked for at a time, for no order may take long. */
const PIECE = 10_000;
/** What is given back after a burst has been given back by then. */
const SETTLE_MS = 500;

const jobs = {
  /**
   * @param {Operations} operations
   * @param {{ from: number, count: number, atOnce: number }} input
   */
  async fillEntries(operations, { from, count, atOnce }) {
    for (let first = from; first < from + count; first += atOnce) {
      const sets = Array.from({ length: atOnce }, (_, index) =>
        operations.set(`entry:${first + index}`, String(first + index).padStart(BYTES, 'x')),
      );
      await Promise.all(sets);
    }
  },

  /** Bytes of this process. */
  pss() {
    v8.setFlagsFromString('--expose-gc');
    const collect = vm.runInNewContext('gc');
    for (let times = 0; times < 3; times += 1) collect();
    const text = fs.readFileSync('/proc/self/smaps_rollup', 'latin1');
    return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) * 1024;
  },

  /** Joins. @param {Operations} operations */
  touch: (operations) => operations.get('nothing'),
};

/** @param {import('./index.js').Stage} stage */
async function sumOfPss(stage) {
  const all = [await stage.primary('pss'), ...(await stage.workers('pss'))];
  return all.reduce((sum, each) => sum + each, 0);
}

/**
 * @param {string} how
 * @param {number} atOnce
 * @returns {Scenario}
 */
function filled(how, atOnce) {
  return {
    name: `memory of 100 000 entries, ${how}`,
    cpus: spread(2),
    needs: ['get', 'set'],
    fresh: true,
    rows: [
      {
        name: `100 000 entries of 200 bytes, ${how}`,
        figure: 'grown',
        unit: 'memory',
        beside: { '1.1.5': { share: 0.4 } },
      },
      { name: '  with all that Node takes itself', figure: 'whole', unit: 'memory' },
    ],
    prepare: (stage) => stage.workers('touch'),
    async round(stage) {
      const before = await sumOfPss(stage);
      for (let from = 0; from < ENTRIES; from += PIECE) {
        await stage.worker(0, 'fillEntries', { from, count: PIECE, atOnce });
      }
      await sleep(SETTLE_MS);
      const whole = await sumOfPss(stage);
      return { grown: whole - before, whole };
    },
  };
}

const scenarios = [filled('1 000 at once', 1000), filled('one by one', 1)];

module.exports = { scenarios, jobs };
