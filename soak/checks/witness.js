'use strict';

// Where nobody listened all the while, what some heard one after the other is pieced together to the
// order of all changes of a key: it begins with what one heard who listened before the first change,
// and is continued by who began to listen before that one ended. Where the second comes in is told by
// a value that stands in both once, for values of one id are set once; or by many numbers in a row.

const { KEYS } = require('../keys.js');
const { OP } = require('../records.js');

/** @typedef {import('../history.js').Call} Call */
/** @typedef {import('./listeners.js').Listening} Listening */

/** Smaller numbers may come of counting from 0, more than once. */
const LEAST_ID = 2 ** 32;
/** Of numbers, which are counted in steps of 1 to 3 at random, that many are not the same twice. */
const MANY = 24;
const READS = new Set([OP.GET, OP.HAS, OP.TOUCH]);

/**
 * A listening that nobody did, as if of one who heard all; undefined if the pieces do not suffice.
 * @type {(listenings: Listening[], calls: Call[]) => Listening | undefined}
 */
function pieceTogether(listenings, calls) {
  const pieces = listenings.filter(({ skipped }) => skipped === 0);
  pieces.sort((a, b) => a.from - b.from);
  const firstChange = earliest(calls.filter(({ op }) => !READS.has(op)));
  const early = pieces.filter(({ since }) => since < firstChange);
  const beginning = early.sort((a, b) => b.heard.length - a.heard.length)[0];
  if (beginning === undefined) return undefined;
  const { key, from, since } = beginning;
  const pieced = new Pieced(key, beginning.heard);
  for (const { heard } of pieces) pieced.join(heard);
  // Who heard to the end is part of it: what is missing there, is missing in the memory.
  const isWhole = pieces.some(({ heard, whole }) => whole && pieced.holds(heard));
  if (!isWhole) return undefined;
  return { member: 'all', key, from, since, whole: true, heard: pieced.heard, skipped: 0 };
}

class Pieced {
  /** @type {number[]} */
  heard = [];

  #key;
  /** Of telling values; -1 if there are more than one. @type {Map<number, number>} */
  #positions = new Map();

  /** @param {number} key @param {number[]} beginning */
  constructor(key, beginning) {
    this.#key = key;
    this.#append(beginning);
  }

  /** Continues with a piece, if it is one that does. @param {number[]} piece */
  join(piece) {
    const start = this.#placeOf(piece);
    if (start !== undefined) this.#append(piece.slice(this.heard.length - start));
  }

  /** @param {number[]} piece */
  holds(piece) {
    return this.#placeOf(piece) !== undefined;
  }

  /** Where a piece begins; undefined if that is not known. @param {number[]} piece */
  #placeOf(piece) {
    const own = new Map();
    for (const code of piece) own.set(code, (own.get(code) ?? 0) + 1);
    for (let i = 0; i < piece.length; i += 1) {
      const start = (this.#positions.get(piece[i]) ?? -1) - i;
      if (start >= 0 && own.get(piece[i]) === 1 && this.#fits(piece, start)) return start;
    }
    return KEYS[this.#key].kind === 'numbers' ? this.#placeOfMany(piece) : undefined;
  }

  /** The same where a piece goes on with the same numbers. @param {number[]} piece */
  #placeOfMany(piece) {
    const last = this.heard.length - MANY;
    for (let start = Math.max(0, this.heard.length - piece.length); start <= last; start += 1) {
      if (this.#fits(piece, start)) return start;
    }
    return undefined;
  }

  /** @type {(piece: number[], start: number) => boolean} */
  #fits(piece, start) {
    return piece.every((code, i) => (this.heard[start + i] ?? code) === code);
  }

  /** @param {number[]} codes */
  #append(codes) {
    for (const code of codes) {
      const isTelling = code < 0 || code >= LEAST_ID || KEYS[this.#key].kind === 'guarded';
      if (isTelling) this.#positions.set(code, this.#positions.has(code) ? -1 : this.heard.length);
      this.heard.push(code);
    }
  }
}

/** When the first was called. @param {Call[]} calls */
function earliest(calls) {
  return calls.reduce((least, { call }) => Math.min(least, call), Number.POSITIVE_INFINITY);
}

module.exports = { pieceTogether };
