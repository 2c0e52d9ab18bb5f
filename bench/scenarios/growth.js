'use strict';

// A table that grows from nothing to millions of entries: what each entry takes beyond its key and
// its value, and how long the longest of all calls takes.

const { performance } = require('node:perf_hooks');
const { sleep, waitedForCpu } = require('../clock.js');
const { spread } = require('../cpus.js');
const { percentile } = require('../figures.js');
const { BYTES, PIECE, SETTLE_MS, sumOfPss } = require('./memory.js');

/** @typedef {import('../../index.js').SharedMemory} SharedMemory */
/** @typedef {import('./index.js').Scenario} Scenario */

const MILLION = 1_000_000;
const AT_ONCE = 1000;
/**
 * Sets of some other keys before that, again and again: most of what such bursts make Node's own
 * heap grow is then there already. What is left of it still differs from run to run by as much as
 * 25 bytes for each entry; what lies outside of the heaps does not.
 */
const WARM_UP = 300_000;
const ENTRIES = 10 * MILLION;
/** Who takes longer is asked whether it had a CPU all the while. */
const LONG_MS = 0.5;
/** Of what was waited only the part since the last look counts, so many calls ago at most. */
const LOOK = 256;

/** ns of every call. */
let samples = new Float32Array(0);
let longestOwn = 0;

const jobs = {
  /** Bytes that the package itself says are used; null for others. @param {any} operations */
  usedBytes: async (operations) => (await operations.stats?.())?.bytes.used ?? null,

  startGrowing() {
    samples = new Float32Array(ENTRIES);
    longestOwn = 0;
  },

  /**
   * Sets some new keys, and times each call.
   * @param {SharedMemory} memory
   * @param {{ from: number, count: number }} input
   */
  grow({ sync }, { from, count }) {
    let waited = 0;
    for (let index = from; index < from + count; index += 1) {
      const key = `grown:${index}`;
      if (index % LOOK === 0) waited = waitedForCpu();
      const before = performance.now();
      sync.set(key, index);
      const took = performance.now() - before;
      samples[index] = took * 1e6;
      if (took > LONG_MS) {
        const waits = waitedForCpu() - waited;
        waited += waits;
        longestOwn = Math.max(longestOwn, (took - waits) * 1e6);
      }
    }
  },

  /** @param {SharedMemory} memory */
  async endGrowing(memory) {
    const { entries } = await memory.stats();
    if (entries !== ENTRIES) throw new Error(`has ${entries} of ${ENTRIES} entries`);
    samples.sort();
    return {
      usual: percentile(samples, 0.5),
      p9999: percentile(samples, 0.9999),
      longest: samples[ENTRIES - 1],
      longestOwn,
    };
  },
};

/** Bytes of all the keys that `fillEntries` sets. @param {number} count */
function keyBytes(count) {
  let sum = 0;
  for (let index = 0; index < count; index += 1) sum += `entry:${index}`.length;
  return sum;
}

/** How much there is of all that counts. @param {import('./index.js').Stage} stage */
async function lookAt(stage) {
  const pss = await sumOfPss(stage);
  const shared = [await stage.primary('sharedBytes'), ...(await stage.workers('sharedBytes'))];
  const elsewhere = await stage.primary('elsewhere');
  const outside = elsewhere || shared.reduce((sum, each) => sum + each, 0);
  return { pss, outside, used: await stage.worker(0, 'usedBytes') };
}

/** @type {Scenario} */
const perEntry = {
  name: 'memory-entry',
  title: 'memory of 1 M entries of 200 bytes, beyond keys and values',
  cpus: spread(2),
  needs: ['get', 'set'],
  // A table of ems must be given its size before, and lru-cache keeps what 1.1.5 does.
  beside: ['1.1.5', 'redis', 'lmdb msgpack'],
  fresh: true,
  slow: true,
  rows: [
    {
      name: 'beyond key and value, each of 1 M entries',
      figure: 'grown',
      unit: 'memory',
      targets: [{ most: 64 }],
    },
    { name: 'of it, outside of the heaps', figure: 'outside', unit: 'memory', detail: true },
    {
      name: 'by stats().bytes.used',
      figure: 'used',
      unit: 'memory',
      detail: true,
      targets: [{ most: 64 }],
    },
  ],
  async prepare(stage) {
    await stage.workers('touch');
    for (let sets = 0; sets < WARM_UP; sets += AT_ONCE) {
      await stage.worker(0, 'fillEntries', { from: MILLION, count: AT_ONCE, atOnce: AT_ONCE });
    }
    await sleep(SETTLE_MS);
  },
  async round(stage) {
    const before = await lookAt(stage);
    for (let from = 0; from < MILLION; from += PIECE) {
      await stage.worker(0, 'fillEntries', { from, count: PIECE, atOnce: AT_ONCE });
    }
    await sleep(SETTLE_MS);
    const after = await lookAt(stage);
    const own = BYTES + keyBytes(MILLION) / MILLION;
    /** @type {import('./index.js').Figures} */
    const found = { grown: (after.pss - before.pss) / MILLION - own };
    const outside = (after.outside - before.outside) / MILLION - own;
    // Whoever keeps entries in a heap has none there.
    if (outside > 0) found.outside = outside;
    if (after.used !== null) found.used = (after.used - before.used) / MILLION - own;
    return found;
  },
};

/** @type {Scenario} */
const pauses = {
  name: 'growth',
  title: 'sync set while the table grows to 10 M entries',
  cpus: spread(1),
  needs: [],
  beside: [],
  fresh: true,
  slow: true,
  rows: [
    { name: 'sync set, growing to 10 M entries, p50', figure: 'usual', unit: 'time' },
    {
      name: 'sync set, growing to 10 M entries, p99.99',
      figure: 'p9999',
      unit: 'time',
      targets: [{ most: 1e6 }],
    },
    {
      name: 'sync set, growing to 10 M entries, longest',
      figure: 'longest',
      unit: 'time',
      worst: true,
      targets: [{ most: 20e6 }],
    },
    { name: 'less waits for a CPU', figure: 'longestOwn', unit: 'time', worst: true, detail: true },
  ],
  prepare: (stage) => stage.worker(0, 'startGrowing'),
  async round(stage) {
    for (let from = 0; from < ENTRIES; from += MILLION) {
      await stage.worker(0, 'grow', { from, count: MILLION });
    }
    return stage.worker(0, 'endGrowing');
  },
};

module.exports = { scenarios: [perEntry, pauses], jobs };
