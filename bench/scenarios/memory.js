'use strict';

// Memory: by how much all processes together grow with many entries. The sum of their proportional
// set sizes counts a page that several share once; garbage is collected before it is read. What a
// peer holds elsewhere counts too: a server, or a file of which only parts are mapped.

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

  /**
   * Bytes of this process; without its shared memory, if the peer tells the whole of that.
   * @param {Operations} operations
   */
  pss({ elsewhere }) {
    v8.setFlagsFromString('--expose-gc');
    const collect = vm.runInNewContext('gc');
    for (let times = 0; times < 3; times += 1) collect();
    return bytesOf('Pss') - (elsewhere ? bytesOf('Pss_Shmem') : 0);
  },

  /** Bytes of the shared memory of this process. */
  sharedBytes: () => bytesOf('Pss_Shmem'),

  /** @param {Operations} operations */
  elsewhere: (operations) => operations.elsewhere?.() ?? 0,

  /** Joins. @param {Operations} operations */
  touch: (operations) => operations.get('nothing'),
};

/** What the system says of this process. @param {string} name */
function bytesOf(name) {
  const text = fs.readFileSync('/proc/self/smaps_rollup', 'latin1');
  return Number(new RegExp(`^${name}:\\s+(\\d+) kB`, 'm').exec(text)?.[1]) * 1024;
}

/** @param {import('./index.js').Stage} stage */
async function sumOfPss(stage) {
  const primary = [await stage.primary('pss'), await stage.primary('elsewhere')];
  const all = [...primary, ...(await stage.workers('pss'))];
  return all.reduce((sum, each) => sum + each, 0);
}

/**
 * @param {string} how
 * @param {number} atOnce
 * @returns {Pick<Scenario, 'title' | 'cpus' | 'needs' | 'fresh' | 'rows' | 'prepare' | 'round'>}
 */
function filled(how, atOnce) {
  return {
    title: `memory of 100 000 entries of 200 bytes, set ${how}`,
    cpus: spread(2),
    needs: ['get', 'set'],
    fresh: true,
    rows: [
      {
        name: `100 000 entries of 200 bytes, ${how}`,
        figure: 'grown',
        unit: 'memory',
        targets: [{ beside: '1.1.5', share: 0.4 }],
      },
      { name: 'with all that Node takes itself', figure: 'whole', unit: 'memory', detail: true },
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

/** Of variants of a package that keep entries alike, one. */
const BESIDE = ['1.1.5', 'lru-cache-for-clusters', 'redis', 'lmdb msgpack', 'ems'];

/** @type {Scenario[]} */
const scenarios = [
  { name: 'memory-burst', ...filled('1 000 at once', 1000), beside: BESIDE, slow: true },
  // 100 000 ways to the primary and back, one after the other.
  { name: 'memory-one', ...filled('one by one', 1), beside: ['1.1.5'], slow: true },
];

module.exports = { scenarios, jobs, sumOfPss, BYTES, PIECE, SETTLE_MS };
