'use strict';

// Values that were read before and are unchanged: kept decoded, to be copied instead of decoded anew.
// Whether a value is unchanged, the engine says at every read, by its version (lib/operations.js).
//
// What is kept is bounded. There are two generations: what is used comes into the younger one; when
// that is full it becomes the older one, and what is not used until then goes (as in `hashlru`).
// A value is kept when it is read the second time, so that a scan of many values keeps nothing.

/** Strings below are as fast to make anew. */
const SHORTEST_STRING = 256;
/** Longer texts cost more to copy than they save, and would push out everything else. */
const LARGEST_SHARE = 8;
/** Versions of values that were read once. */
const SEEN = 1024;
/** Nested deeper, an object is not kept. */
const DEEPEST = 32;

/**
 * @typedef {object} Kept
 * @property {number} version
 * @property {number} length of its text
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
  #seen = new Float64Array(SEEN);
  /** Whether there may be any. */
  isEmpty = true;

  /** @param {number} maximum units of text that are kept at most; 0: nothing */
  constructor(maximum) {
    this.#maximum = maximum;
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
    const place = version % SEEN;
    if (this.#seen[place] !== version) {
      this.#seen[place] = version;
      return;
    }
    if (length * LARGEST_SHARE > this.#maximum) return;
    if (typeof value === 'string') {
      if (length >= SHORTEST_STRING) this.#keep(name, { version, length, value, plan: undefined });
      return;
    }
    const plan = planOf(value, DEEPEST);
    if (plan === undefined) return;
    this.#keep(name, { version, length, value: copy(value, plan), plan });
  }

  /** @type {(name: string, kept: Kept) => void} */
  #keep(name, kept) {
    this.isEmpty = false;
    const before = this.#young.get(name);
    this.#youngLength += kept.length + name.length - (before ? before.length + name.length : 0);
    this.#young.set(name, kept);
    if (this.#youngLength * 2 <= this.#maximum) return;
    this.#old = this.#young;
    this.#young = new Map();
    this.#youngLength = 0;
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
