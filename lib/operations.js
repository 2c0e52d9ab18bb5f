'use strict';

// The operations on values, without waiting: what memory.sync offers, and what the promise forms do
// once the environment is attached. Every method works detached from the object.

const { types } = require('node:util');
const { wrongType, outOfRange } = require('./errors.js');
const { toKey } = require('./keys.js');
const { TAG, tagOf, pack, unpack } = require('./values.js');

class Operations {
  #join;
  #engine;
  #status;
  #advanced;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {() => boolean} advanced whether objects are stored as structured clones
   */
  constructor(join, advanced) {
    this.#join = join;
    this.#engine = join.engine;
    this.#status = join.status;
    this.#advanced = advanced;
  }

  /** @type {(key: unknown) => any} */
  get = (key) => {
    const name = toKey(key);
    if (!this.#join.attached) this.#join.attachNow();
    const raw = this.#engine.get(name);
    const tag = this.#status[0];
    return tag < TAG.JSON ? raw : unpack(tag, raw);
  };

  /** @type {(key: unknown, value: unknown) => 'OK'} */
  set = (key, value) => {
    const name = toKey(key);
    // First, for the mode is known once attached.
    if (!this.#join.attached) this.#join.attachNow();
    const tag = tagOf(value, this.#advanced());
    return this.#write(name, pack(tag, value), tag);
  };

  /** @type {(key: unknown) => 'OK'} */
  remove = (key) => {
    const name = toKey(key);
    if (!this.#join.attached) this.#join.attachNow();
    this.#engine.remove(name);
    return 'OK';
  };

  /** @param {unknown} key */
  has = (key) => {
    const name = toKey(key);
    if (!this.#join.attached) this.#join.attachNow();
    return this.#engine.has(name);
  };

  /** @type {(key: unknown, by?: unknown) => number} */
  incr = (key, by = 1) => {
    const name = toKey(key);
    const step = toStep(by);
    if (!this.#join.attached) this.#join.attachNow();
    return this.#engine.incr(name, step);
  };

  /**
   * A set of what the value is now, to be done once the environment is attached.
   * @type {(key: unknown, value: unknown) => () => 'OK'}
   */
  prepareSet = (key, value) => {
    const name = toKey(key);
    const tag = tagOf(value, this.#advanced());
    const payload = pack(tag, value);
    // All other payloads are immutable or our own already.
    const kept = types.isUint8Array(value) ? Buffer.from(value) : payload;
    return () => this.#write(name, kept, tag);
  };

  /** @type {(name: string, payload: unknown, tag: number) => 'OK'} */
  #write(name, payload, tag) {
    this.#engine.set(name, payload, payload === undefined ? TAG.UNDEFINED : tag);
    return 'OK';
  }
}

/** @param {unknown} by */
function toStep(by) {
  if (typeof by !== 'number') throw wrongType('"by" argument', 'of type number', by);
  if (!Number.isFinite(by)) throw outOfRange('"by" argument', 'a finite number', by);
  return by;
}

module.exports = { Operations, toStep };
