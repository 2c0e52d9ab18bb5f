'use strict';

// Random operations on the LRU, beside the same ones on lru-cache 6.0.0, the reference: after each
// of them both must have said the same. For lru-reference.test.js and the programs that it runs.

const assert = require('node:assert/strict');
const { inspect, isDeepStrictEqual } = require('node:util');
const LRU = require('lru-cache');

const DEFAULTS = { max: 10000, maxAge: 300000 };
const KEYS = ['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h', '', '__proto__'];

/**
 * @typedef {{ setLRU: Function, getLRU: Function, removeLRU: Function }} Cache
 * @typedef {() => number} Random from 0 to less than 1
 * @typedef {{ type: 'set' | 'get' | 'remove', key: string, value?: unknown }} Operation
 */

/**
 * The generator "mulberry32" (Tommy Ettinger, public domain).
 * @param {number} seed
 * @returns {Random}
 */
function randomFrom(seed) {
  let state = seed;
  return () => {
    state = (state + 0x6d2b79f5) | 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 2 ** 32;
  };
}

/** @template T @param {Random} random @param {T[]} choices */
const pick = (random, choices) => choices[Math.floor(random() * choices.length)];

/**
 * Options without a callback for what goes.
 * @param {Random} random
 */
function randomOptions(random) {
  const lengths = [
    undefined,
    undefined,
    'not a function',
    (/** @type {any} */ value) => (value?.n ?? 0) % 4,
    (/** @type {any} */ value, /** @type {string} */ key) => ((value?.n ?? 0) % 3) / 2 + key.length,
  ];
  const all = /** @type {Record<string, unknown>} */ ({
    max: pick(random, [0, 1, 2, 3, 4, 5, 7.5, 9, undefined, Number.NaN, Number.POSITIVE_INFINITY]),
    maxAge: pick(random, [0, 0, undefined, 300000, -1, Number.POSITIVE_INFINITY]),
    length: pick(random, lengths),
    stale: pick(random, [true, false, 'yes', undefined]),
    noDisposeOnSet: pick(random, [true, false]),
    updateAgeOnGet: pick(random, [true, false]),
  });
  // Some are left out, which is not the same as undefined.
  for (const name of Object.keys(all)) if (random() < 0.25) delete all[name];
  return all;
}

/** @param {Random} random @param {number} number @returns {Operation} */
function randomOperation(random, number) {
  const key = pick(random, KEYS);
  const dice = random();
  if (dice < 0.12) return { type: 'remove', key };
  if (dice < 0.5) return { type: 'get', key };
  return { type: 'set', key, value: dice < 0.52 ? undefined : { n: number } };
}

/** Both caches, made anew with the same options. */
class Pair {
  /** @type {unknown[][]} */
  disposed = [];
  /** @type {unknown[][]} */
  expected = [];
  /** @type {Operation[]} */
  history = [];

  /**
   * @param {Record<string, unknown>} options
   * @param {{ cache: Cache, setLRUOptions: (options: any) => void, dispose: boolean }} ours
   */
  constructor(options, { cache, setLRUOptions, dispose }) {
    const into = (/** @type {unknown[][]} */ log) =>
      dispose && { dispose: (/** @type {unknown[]} */ ...args) => log.push(args) };
    /** @type {Record<string, any>} */
    this.options = { ...options, ...into(this.disposed) };
    this.cache = cache;
    this.reference = new LRU({ ...DEFAULTS, ...options, ...into(this.expected) });
    setLRUOptions(this.options);
  }

  /** @param {Operation} operation */
  async run(operation) {
    this.history.push(operation);
    const { type, key, value } = operation;
    const { cache, reference } = this;
    if (type === 'get') return this.#same(await cache.getLRU(key), reference.get(key));
    if (type === 'remove') reference.del(key);
    else reference.set(key, value);
    this.#same(await (type === 'set' ? cache.setLRU(key, value) : cache.removeLRU(key)), 'OK');
  }

  /** What both have in the end. */
  async compareAll() {
    for (const key of KEYS) await this.run({ type: 'get', key });
  }

  /** What went from both in which order. */
  async compareDisposed() {
    const { maxAge = DEFAULTS.maxAge, noDisposeOnSet } = this.options;
    // What has expired may go before anybody comes for it: earlier than in lru-cache, that is, and
    // where it would be overwritten in silence.
    const isExact = maxAge === 0 || maxAge >= DEFAULTS.maxAge;
    if (!isExact && noDisposeOnSet) return;
    // From other places the news may come later.
    for (let i = 0; i < 500 && this.disposed.length < this.expected.length; i++) {
      await new Promise((resolve) => setTimeout(resolve, 2));
    }
    const inOrder = (/** @type {unknown[][]} */ log) => (isExact ? log : byText(log));
    const [disposed, expected] = [inOrder(this.disposed), inOrder(this.expected)];
    const first = expected.findIndex((gone, i) => !isDeepStrictEqual(gone, disposed[i]));
    const from = first === -1 ? expected.length : first;
    this.#same(disposed.slice(from, from + 5), expected.slice(from, from + 5));
  }

  /** @param {unknown} actual @param {unknown} expected */
  #same(actual, expected) {
    assert.deepEqual(actual, expected, new Mismatch(this, actual, expected));
  }
}

/** @param {unknown[][]} log */
function byText(log) {
  const texts = log.map((gone) => ({ gone, text: JSON.stringify(gone) }));
  return texts.sort((a, b) => (a.text < b.text ? -1 : 1)).map(({ gone }) => gone);
}

class Mismatch extends Error {
  /** @param {Pair} pair @param {unknown} actual @param {unknown} expected */
  constructor({ options, history }, actual, expected) {
    const last = history
      .slice(-30)
      .map(({ type, key, value }) => `${type} ${inspect(key)} ${inspect(value)}`);
    const got = `got ${inspect(actual)}, and lru-cache ${inspect(expected)}`;
    super(
      `${got}\nafter ${history.length} operations with ${inspect(options)}\n${last.join('\n')}`,
    );
  }
}

/**
 * Sequences of random operations, each with options of its own.
 * @param {{ cache: Cache, setLRUOptions: (options: any) => void }} ours
 * @param {{ seed: number, sequences: number, operations: number }} extent
 */
async function compare(ours, { seed, sequences, operations }) {
  const random = randomFrom(seed);
  for (let sequence = 0; sequence < sequences; sequence++) {
    const dispose = random() < 0.8;
    const pair = new Pair(randomOptions(random), { ...ours, dispose });
    for (let i = 0; i < operations; i++) await pair.run(randomOperation(random, i));
    await pair.compareAll();
    await pair.compareDisposed();
  }
}

const PHASES = 5;
const PHASE_MS = 400;
/** More than a phase and a burst, and less than two phases. */
const AGE_MS = 600;
const LONGEST_BURST_MS = 150;

/**
 * Bursts of operations with pauses between them, under an age limit of one and a half pauses. So
 * there is no doubt about what is expired, unless the machine was too slow; then it is false.
 * @param {{ cache: Cache, setLRUOptions: (options: any) => void }} ours
 * @param {{ seed: number, options: object }} choice
 */
async function compareAges(ours, { seed, options }) {
  const random = randomFrom(seed);
  const pair = new Pair({ ...options, maxAge: AGE_MS }, { ...ours, dispose: true });
  const began = performance.now();
  for (let phase = 0; phase < PHASES; phase++) {
    const due = began + phase * PHASE_MS;
    while (performance.now() < due) await new Promise((resolve) => setTimeout(resolve, 1));
    const problem = await burst(pair, random, phase === PHASES - 1);
    if (performance.now() - due > LONGEST_BURST_MS) return false;
    if (problem !== undefined) throw problem;
  }
  await pair.compareDisposed();
  return true;
}

/** @param {Pair} pair @param {Random} random @param {boolean} isLast */
async function burst(pair, random, isLast) {
  try {
    for (let i = 0; i < 10; i++) await pair.run(randomOperation(random, i));
    if (isLast) await pair.compareAll();
    return undefined;
  } catch (error) {
    return error;
  }
}

module.exports = { compare, compareAges, randomFrom };
