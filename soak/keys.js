'use strict';

// The few keys of a round, by number. A round has keys of its own, so that its history is whole and
// can be checked and forgotten.

const { KIND, SMALL, ALL } = require('./values.js');

/**
 * @typedef {object} Key
 * @property {string} name
 * @property {'values' | 'numbers' | 'count' | 'guarded' | 'lru' | 'noise' | 'exchanged' | 'ends' | 'scans'} kind
 *   values: set, removed, read, seldom counted; numbers: the same with numbers only; count: counted
 *   only; guarded: read and written under its lock only; lru: in the LRU; noise: not recorded;
 *   exchanged: changed by conditions and exchanges; ends: set for a while only; scans: no key, but what
 *   scans are recorded of
 * @property {string} [space] the namespace that it is in
 * @property {boolean} [watched] whether listeners may listen to it
 * @property {ReadonlyArray<readonly [number, number]>} [sets] kinds of values that it may get
 */

/** @type {Key[]} */
const KEYS = [
  { name: 'hot', kind: 'values', watched: true, sets: SMALL },
  { name: 'warm \ud800', kind: 'values', watched: true, sets: SMALL },
  { name: 'large \u20ac', kind: 'values', sets: ALL },
  { name: 'also large', kind: 'values', sets: ALL },
  { name: 'number', kind: 'numbers', watched: true, sets: [[1, KIND.NUMBER]] },
  { name: 'quiet number', kind: 'numbers', sets: [[1, KIND.NUMBER]] },
  { name: 'count', kind: 'count' },
  { name: 'other count', kind: 'count' },
  { name: 'guarded', kind: 'guarded', watched: true },
  { name: 'also guarded', kind: 'guarded' },
  { name: 'seldom guarded', kind: 'guarded' },
  { name: 'used', kind: 'lru', sets: ALL },
  { name: 'also used', kind: 'lru', sets: SMALL },
  { name: 'noise', kind: 'noise' },
  { name: 'small noise', kind: 'noise', sets: SMALL },
  { name: 'other noise', kind: 'noise', sets: SMALL },
  { name: 'large noise', kind: 'noise', sets: ALL },
  { name: 'job', kind: 'exchanged', watched: true, sets: SMALL },
  { name: 'large job', kind: 'exchanged', sets: ALL },
  { name: 'job', kind: 'exchanged', space: 'soak', watched: true, sets: SMALL },
  { name: 'count', kind: 'count', space: 'soak' },
  { name: 'short', kind: 'ends', sets: SMALL },
  { name: 'short', kind: 'ends', space: 'soak', sets: SMALL },
  { name: 'all', kind: 'scans' },
];

/** @param {(key: Key) => unknown} wanted */
function keysWhere(wanted) {
  return KEYS.flatMap((key, number) => (wanted(key) ? [number] : []));
}

/** @type {(round: number, key: number) => string} */
const keyName = (round, key) => `${round}:${KEYS[key].name}`;

/** The memory, or the namespace that a key is in. @type {(memory: any, key: number) => any} */
const spaceOf = (memory, key) => {
  const { space } = KEYS[key];
  return space === undefined ? memory : memory.namespace(space);
};

/** Whether a package has the key. @type {(memory: any, key: number) => boolean} */
const isThere = (memory, key) =>
  typeof memory.add === 'function' ||
  !(KEYS[key].space || ['exchanged', 'ends', 'scans'].includes(KEYS[key].kind));

module.exports = { KEYS, isThere, keysWhere, keyName, spaceOf };
