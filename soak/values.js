'use strict';

// The values that the soak writes. Each is unique, tells its id, and follows from its id wholly: a
// value made of parts of two others does not pass. The id's last digit (of 16) is the kind.

const { Buffer } = require('node:buffer');
const { isDeepStrictEqual } = require('node:util');

const KINDS = 16;
const KIND = { SHORT: 0, WIDE: 1, OBJECT: 2, BYTES: 3, NUMBER: 4, LONG: 5, LARGE: 6, HUGE: 7 };

/** Small ones, as watched keys get them. */
const SMALL = /** @type {const} */ ([
  [5, KIND.SHORT],
  [1, KIND.WIDE],
  [3, KIND.OBJECT],
  [1, KIND.BYTES],
  [2, KIND.NUMBER],
]);

/** Also such as need a run of pages. */
const ALL = /** @type {const} */ ([...SMALL, [1.5, KIND.LONG], [1, KIND.LARGE], [0.1, KIND.HUGE]]);

const FILLER = Array.from({ length: 4096 }, (_, i) => ((i * 2654435761) >>> 16).toString(36))
  .join('')
  .repeat(24);

/** What makes ids of one thread differ from those of all others. */
class Maker {
  #owner;
  #count = 0;

  /** @param {number} worker @param {number} thread */
  constructor(worker, thread) {
    this.#owner = (worker * 256 + (thread % 256)) * 2 ** 24;
  }

  /** The code of a new value. @param {number} kind */
  code(kind) {
    this.#count += 1;
    const id = (this.#owner + this.#count) * KINDS + kind;
    return kind === KIND.NUMBER ? id : -id;
  }
}

/** @param {number} code */
function toValue(code) {
  return code > 0 ? code : make(-code);
}

/** @param {number} id @returns {unknown} */
function make(id) {
  const some = Math.floor(id / KINDS) % 1009;
  switch (id % KINDS) {
    case KIND.SHORT:
      return `${id}:${filler(id, some % 60)}`;
    case KIND.WIDE:
      return `${id}:\u20ac\ud83d\ude00\ud800${filler(id, some % 90)}`;
    case KIND.OBJECT:
      return { id, text: filler(id, some % 80), list: [id, some, null, true], in: { some } };
    case KIND.BYTES:
      return bytes(id, some % 300);
    case KIND.LONG:
      return `${id}:${filler(id, 1500 + some * 19)}`;
    case KIND.LARGE:
      return { id, texts: [filler(id, some * 5), filler(id + 1, some * 3)] };
    default:
      return `${id}:${filler(id, 60_000 + some)}`;
  }
}

/** The code of a value that was read; NaN if nobody wrote it. @type {(value: unknown) => number} */
function toCode(value) {
  if (value === undefined) return 0;
  if (typeof value === 'number') return value > 0 ? value : Number.NaN;
  const id = idOf(value);
  const right = id > 0 && isDeepStrictEqual(plain(value), make(id));
  return right ? -id : Number.NaN;
}

/** @param {any} value */
function idOf(value) {
  if (typeof value === 'string') return Number.parseInt(value, 10);
  if (value instanceof Uint8Array && value.length >= 8) return Buffer.from(value).readDoubleLE();
  return Number(value?.id);
}

/** A Buffer and the Uint8Array of the same bytes count as the same. @param {unknown} value */
function plain(value) {
  return value instanceof Uint8Array ? Uint8Array.from(value) : value;
}

/** @type {(id: number, length: number) => string} */
function filler(id, length) {
  const from = id % 1013;
  return FILLER.slice(from, from + length);
}

/** @type {(id: number, length: number) => Uint8Array} */
function bytes(id, length) {
  const all = Buffer.alloc(8 + length, filler(id, 50), 'latin1');
  all.writeDoubleLE(id);
  return Uint8Array.from(all);
}

module.exports = { KIND, SMALL, ALL, Maker, toValue, toCode };
