'use strict';

// The few keys of a round, by number. A round has keys of its own, so that its history is whole and
// can be checked and forgotten.

const { KIND, SMALL, ALL } = require('./values.js');

/**
 * @typedef {object} Key
 * @property {string} name
 * @property {'values' | 'numbers' | 'count' | 'guarded' | 'lru' | 'noise'} kind
 *   values: set, removed, read, seldom counted; numbers: the same with numbers only; count: counted
 *   only; guarded: read and written under its lock only; lru: in the LRU; noise: not recorded
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
];

/** @param {(key: Key) => unknown} wanted */
function keysWhere(wanted) {
  return KEYS.flatMap((key, number) => (wanted(key) ? [number] : []));
}

/** @type {(round: number, key: number) => string} */
const keyName = (round, key) => `${round}:${KEYS[key].name}`;

module.exports = { KEYS, keysWhere, keyName };
