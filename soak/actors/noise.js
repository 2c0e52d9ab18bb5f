'use strict';

// Changes of keys that nobody records, as fast as they go. Recording takes more time than changing,
// so without this a kill or a stop would seldom meet a process in the middle of a change.

const { KEYS, keysWhere, keyName } = require('../keys.js');
const { brief, outcomeOfError } = require('../operator.js');
const { OUTCOME } = require('../records.js');
const { toCode, toValue } = require('../values.js');
const { pause } = require('./pause.js');

/** @typedef {import('../member.js').Task} Task */

const NOISY = keysWhere(({ kind }) => kind === 'noise');
const [COUNTED, ...SET] = NOISY;
const LONGEST_BURST_MS = 3;
/** Values made beforehand, so that a burst does little else than to set them. */
const STOCK = 20;
const TURNS = 8;
/** The noise of exchanges and ends is in a namespace, also. */
const SPACE = 'soak noise';
const LONGEST_TTL_MS = 20;

/** @param {{ pauseMs: number }} pace */
function actNoisily({ pauseMs }) {
  return async (/** @type {Task} */ task) => {
    const { random, recorder } = task;
    if (!random.chance(task.noise)) return;
    while (!task.resting) {
      try {
        burst(task);
        for (let i = 0; i < TURNS && !task.resting; i += 1) await lockAndUse(task);
      } catch (error) {
        if (outcomeOfError(error) === OUTCOME.WRONG) recorder.note(`noise: ${brief(error)}`);
      }
      await pause(random, pauseMs);
    }
  };
}

/** @param {Task} task */
function burst({ memory, random, recorder, maker, round }) {
  const hasMore = typeof memory.add === 'function';
  const { sync } = hasMore && random.chance(0.5) ? memory.namespace(SPACE) : memory;
  const names = SET.map((key) => keyName(round, key));
  const values = SET.map((key) =>
    Array.from({ length: STOCK }, () => toValue(maker.code(random.weigh(KEYS[key].sets ?? [])))),
  );
  const counted = keyName(round, COUNTED);
  const end = performance.now() + random.fraction() * LONGEST_BURST_MS;
  while (performance.now() < end) {
    for (let i = 0; i < STOCK; i += 1) {
      const at = random.integer(0, names.length - 1);
      if (random.chance(0.15)) sync.remove(names[at]);
      if (hasMore && random.chance(0.4)) exchange(random, sync, names[at], values[at][i]);
      else sync.set(names[at], values[at][i]);
      sync.incr(counted);
    }
    const value = sync.get(random.pick(names));
    if (Number.isNaN(toCode(value))) recorder.note(`get of a noisy key gave ${brief(value)}`);
  }
}

/** One of the other ways to set a key. @type {(random: Task['random'], sync: any, name: string, value: unknown) => void} */
function exchange(random, sync, name, value) {
  const ttl = random.integer(1, LONGEST_TTL_MS);
  const way = random.integer(0, 5);
  if (way === 0) sync.set(name, value, { ttl });
  else if (way === 1) sync.add(name, value);
  else if (way === 2) sync.getAndSet(name, value);
  else if (way === 3) sync.getAndRemove(name);
  else if (way === 4) sync.touch(name, ttl);
  else sync.update(name, () => value);
}

/** @param {Task} task */
async function lockAndUse({ memory, random, maker, round }) {
  const name = keyName(round, random.pick(NOISY));
  const kinds = KEYS[SET[0]].sets ?? [];
  await memory.setLRU?.(name, toValue(maker.code(random.weigh(kinds))));
  await memory.getLRU?.(name);
  if (typeof memory.getLock !== 'function') return;
  const id = await memory.getLock(name);
  await memory.releaseLock(name, id);
}

module.exports = { actNoisily, SPACE };
