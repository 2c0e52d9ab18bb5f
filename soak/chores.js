'use strict';

// What is done for a round beside its load, by the primary or, where there is none, by one of the
// workers.

const { sleep } = require('./actors/pause.js');
const { WATCHED } = require('./actors/listeners.js');
const { SPACE: NOISE } = require('./actors/noise.js');
const { clearScanned, setStaying } = require('./actors/scans.js');
const { KEYS, isThere, keysWhere, keyName, spaceOf } = require('./keys.js');
const { OP } = require('./records.js');
const { KIND } = require('./values.js');

const COUNTED = keysWhere(({ kind }) => kind === 'count' || kind === 'guarded');
const MENDING_MS = 5000;
const VERIFY = Symbol.for('cluster-shared-memory.verify');

/** @typedef {import('./member.js').Task} Task */

/** @type {(memory: any, round: number) => void} */
function setUp(memory, round) {
  memory.setLRUOptions?.({ max: 10_000, maxAge: 0 });
  setStaying(memory, round);
}

/**
 * Changes each watched key for a last time, so that all listeners know when they have heard all.
 * @param {Task} task
 */
async function changeLast({ memory, operator, maker }) {
  /** @type {Record<number, number>} */
  const lasts = {};
  for (const key of WATCHED.filter((each) => isThere(memory, each))) {
    const { kind } = KEYS[key];
    let code = maker.code(kind === 'numbers' ? KIND.NUMBER : KIND.SHORT);
    if (kind === 'guarded') code = 1 + (await operator.surely({ op: OP.GET, key, argument: 0 }));
    await operator.surely({ op: OP.SET, key, argument: code });
    lasts[key] = code;
  }
  for (const key of COUNTED.filter((each) => isThere(memory, each)))
    await operator.surely({ op: OP.GET, key, argument: 0 });
  return lasts;
}

/** @type {(memory: any, round: number) => void} */
function cleanUp(memory, round) {
  KEYS.forEach(({ kind }, key) => {
    if (!isThere(memory, key)) return;
    const name = keyName(round, key);
    if (kind !== 'lru') spaceOf(memory, key).sync.remove(name);
    if (kind === 'lru' || kind === 'noise') memory.removeLRU?.(name);
  });
  clearScanned(memory, round);
  memory.namespace?.(NOISE).sync.clear();
}

/** When all others have ended: is everything whole, and were all of the dead seen off? @param {any} memory */
async function lastFigures(memory) {
  const deadline = performance.now() + MENDING_MS;
  let stats = await memory.stats();
  while (stats.members.length > 1 && performance.now() < deadline) {
    await sleep(20);
    stats = await memory.stats();
  }
  if (stats.members.length > 1) {
    throw new Error(`Members are left that have ended: ${JSON.stringify(stats.members)}`);
  }
  await memory[VERIFY]?.();
  return { repairs: stats.repairs, entriesLeft: stats.entries };
}

module.exports = { setUp, changeLast, cleanUp, lastFigures };
