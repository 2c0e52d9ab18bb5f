'use strict';

// The third act: how fast the operations are while all workers do the same at the same time.

const memory = require('cluster-shared-memory');
const { once } = require('node:events');
const { Crew } = require('./crew.js');
const { sleep } = require('./words.js');

const LOOK_MS = 10;
const LENGTH_MS = 400;

/** @typedef {{ p50Ns: number, p99Ns: number, count: number }} Speed */
/**
 * What came of it.
 * @typedef {object} Speeds
 * @property {Speed} get
 * @property {Speed} set
 * @property {Speed} mutex
 * @property {number} turns that are counted under the mutex
 * @property {number} workers
 * @property {number} lengthMs of each part
 */

/** @param {string} key */
const read = (key) => /** @type {any} */ (memory.sync.get(key));

/** @param {number} workers @returns {Promise<Speeds>} */
async function measure(workers) {
  const crew = new Crew('meter.js');
  const ids = Array.from({ length: workers }, (_, index) => index + 1);
  await memory.set('turns', 0);
  const ending = ids.map((id) => once(crew.fork({ WORKER: id, LENGTH_MS }), 'exit'));
  const work = async () => {
    while (memory.sync.incr('ready', 0) < workers) await sleep(LOOK_MS);
    await memory.set('begin', true);
    await Promise.all(ending);
  };
  await Promise.race([work(), crew.trouble]);
  const clock = speedOf('clock', ids, 0);
  const [get, set, mutex] = ['get', 'set', 'mutex'].map((name) => speedOf(name, ids, clock.p50Ns));
  return { get, set, mutex, turns: read('turns'), workers, lengthMs: LENGTH_MS };
}

/**
 * Of all workers together, less what reading the clock takes.
 * @type {(name: string, ids: number[], clockNs: number) => Speed}
 */
function speedOf(name, ids, clockNs) {
  const times = ids.flatMap((id) => timesOf(read(`times:${name}:${id}`)));
  times.sort((a, b) => a - b);
  const at = (/** @type {number} */ part) => {
    const ms = times[Math.min(times.length - 1, Math.floor(times.length * part))];
    return Math.max(1, ms * 1e6 - clockNs);
  };
  const counts = ids.map((id) => read(`count:${name}:${id}`));
  return { p50Ns: at(0.5), p99Ns: at(0.99), count: counts.reduce((sum, count) => sum + count, 0) };
}

/** @param {Uint8Array} bytes @returns {number[]} */
function timesOf(bytes) {
  // A copy of its own, for it may begin anywhere in its buffer.
  return [...new Float64Array(Uint8Array.from(bytes).buffer)];
}

module.exports = { measure };
