'use strict';

// Values that were read before and are unchanged: kept decoded, to be copied instead of decoded anew.
// Whether a value is unchanged, the engine says at every read, by its version (lib/operations.js).
//
// What is kept is bounded. There are two generations: what is used comes into the younger one; when
// that is full it becomes the older one, and what is not used until then goes (as in `hashlru`).
// A value is kept when it is read the second time, so that a scan of many values keeps nothing. Which
// were read once is known by their versions, of which no two changes have the same.
//
// To keep a value costs what many copies of it save. So it is counted how often those that were
// lost, for they had changed or had to go, had been copied: where that is too seldom nothing is kept
// for a while, and then it is tried again.

/** Strings below are as fast to make anew. */
const SHORTEST_STRING = 256;
/** Longer texts would push out everything else. */
const LARGEST_SHARE = 8;
/**
 * Versions of values that were read once: about so many values that are read in turn can be kept. A
 * power of two.
 */
const SEEN = 2 ** 15;
/** Nested deeper, an object is not kept. */
const DEEPEST = 32;
/**
 * How many units of text each value that is kept counts as, beside its own, and each object in it:
 * so many small ones take no more memory than a few large ones.
 */
const UNITS_EACH = 80;
const UNITS_INNER = 56;
/** After so many losses it is judged whether there were so many copies for each. */
const LOSSES = 64;
const WORTH = 40;
/** Values that are read, and not kept, before it is tried again: four times as many each time. */
const SHORTEST_REST = 2 ** 13;
const LONGEST_REST = 2 ** 20;

/**
 * @typedef {object} Kept
 * @property {number} version 0: nothing is
 * @property {number} length that it counts as
 * @property {any} value is never given to anybody
 * @property {Plan | undefined} plan how it is copied; undefined: it cannot change
 */
/**
 * How to copy an object: all at once, and then what it holds.
 * @typedef {{ isArray: boolean, inner: [any, Plan][] }} Plan
 */

class Copies {
  /** @type {Map<string, Kept>} */
  #young = new Map();
  /** @type {Map<string, Kept>} */
  #old = new Map();
  #youngLength = 0;
  #maximum;
  /** Versions; negative ones of values that cannot be kept. @type {Float64Array | undefined} */
  #seen;
  /** Whether there may be any. */
  isEmpty = true;
  /** How often what is kept was copied, since it was judged. */
  copied = 0;
  #lost = 0;
  /** Values that will not be kept from now on. */
  #rest = 0;
  #nextRest = SHORTEST_REST;

  /** @param {number} maximum units of text that are kept at most; 0: nothing */
  constructor(maximum) {
    this.#maximum = maximum;
  }

  /** What was found is not what the key is now: the place stays for what that is. @param {Kept} kept */
  forget(kept) {
    kept.version = 0;
    kept.value = undefined;
    kept.plan = undefined;
    this.#lose(1);
  }

  /** What is kept of a key. @param {string} name */
  find(name) {
    const kept = this.#young.get(name);
    if (kept !== undefined) return kept;
    const old = this.#old.get(name);
    if (old !== undefined) {
      this.#old.delete(name);
      this.#keep(name, old);
    }
    return old;
  }

  /**
   * A value was read; the caller gives it to somebody.
   * @param {string} name
   * @param {number} version
   * @param {number} length of its text
   * @param {unknown} value
   */
  note(name, version, length, value) {
    if (this.#rest > 0) {
      this.#rest -= 1;
      return;
    }
    if (length * LARGEST_SHARE > this.#maximum) return;
    if (typeof value === 'string' && length < SHORTEST_STRING) return;
    this.#seen ??= new Float64Array(SEEN);
    const place = version & (SEEN - 1);
    const seen = this.#seen[place];
    if (seen === -version) return;
    this.#seen[place] = version;
    if (seen !== version) return;
    if (typeof value === 'string') {
      this.#keep(name, { version, length: length + UNITS_EACH, value, plan: undefined });
      return;
    }
    const plan = planOf(value, DEEPEST);
    if (plan === undefined) {
      this.#seen[place] = -version;
      return;
    }
    const counted = length + UNITS_EACH + UNITS_INNER * innerOf(plan);
    if (counted * LARGEST_SHARE > this.#maximum) return;
    this.#keep(name, { version, length: counted, value: copy(value, plan), plan });
  }

  /** @type {(name: string, kept: Kept) => void} */
  #keep(name, kept) {
    this.isEmpty = false;
    const before = this.#young.get(name);
    if (before === undefined) {
      this.#young.set(name, kept);
      this.#youngLength += kept.length + name.length;
    } else {
      this.#youngLength += kept.length - before.length;
      before.version = kept.version;
      before.length = kept.length;
      before.value = kept.value;
      before.plan = kept.plan;
    }
    if (this.#youngLength * 2 <= this.#maximum) return;
    const lost = this.#old.size;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngLength = 0;
    this.#lose(lost);
  }

  /** Whether it pays. @param {number} count of what was kept, and is no more */
  #lose(count) {
    this.#lost += count;
    if (this.#lost < LOSSES) return;
    if (this.copied < this.#lost * WORTH) {
      this.#rest = this.#nextRest;
      this.#nextRest = Math.min(this.#nextRest * 4, LONGEST_REST);
      this.#young = new Map();
      this.#old = new Map();
      this.#youngLength = 0;
      this.isEmpty = true;
    } else {
      this.#nextRest = SHORTEST_REST;
    }
    this.#lost = 0;
    this.copied = 0;
  }
}

/** A copy of what is kept. @param {Kept} kept */
function copyOf({ value, plan }) {
  return plan === undefined ? value : copy(value, plan);
}

/**
 * How to copy a value that JSON.parse gave; undefined if it is none that can be copied.
 * @param {any} value
 * @param {number} depth
 * @returns {Plan | undefined}
 */
function planOf(value, depth) {
  if (typeof value !== 'object' || value === null || depth === 0) return undefined;
  const isArray = Array.isArray(value);
  /** @type {[any, Plan][]} */
  const inner = [];
  for (const key of Object.keys(value)) {
    const part = value[key];
    if (typeof part !== 'object' || part === null) continue;
    const plan = key === '__proto__' ? undefined : planOf(part, depth - 1);
    if (plan === undefined) return undefined;
    inner.push([isArray ? Number(key) : key, plan]);
  }
  return { isArray, inner };
}

/** How many objects are in it. @param {Plan} plan @returns {number} */
function innerOf({ inner }) {
  return inner.reduce((sum, [, plan]) => sum + innerOf(plan), inner.length);
}

/** @type {(value: any, plan: Plan) => any} */
function copy(value, { isArray, inner }) {
  const copied = isArray ? value.slice() : { ...value };
  for (let index = 0; index < inner.length; index += 1) {
    const [key, plan] = inner[index];
    copied[key] = copy(value[key], plan);
  }
  return copied;
}

module.exports = { Copies, copyOf };
