'use strict';

// The operations on values, without waiting: what memory.sync offers, and what the promise forms do
// once the environment is attached. Every method works detached from the object.

const { wrongType, outOfRange } = require('./errors.js');
const { toKey } = require('./keys.js');
const { TAG, tagOf, pack, packToKeep, unpack } = require('./values.js');

/** The engine sets this element of the status when this thread has changed what it listens to. */
const OWN_NEWS = 3;

class Operations {
  #join;
  #engine;
  #status;
  #advanced;
  #takeNews;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {() => boolean} advanced whether objects are stored as structured clones
   * @param {() => void} takeNews calls the listeners of this thread that have something to hear
   */
  constructor(join, advanced, takeNews) {
    this.#join = join;
    this.#engine = join.engine;
    this.#status = join.status;
    this.#advanced = advanced;
    this.#takeNews = takeNews;
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
    if (this.#status[OWN_NEWS] !== 0) this.#hear();
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
    const sum = this.#engine.incr(name, step);
    if (this.#status[OWN_NEWS] !== 0) this.#hear();
    return sum;
  };

  /**
   * A set of what the value is now, to be done once the environment is attached.
   * @type {(key: unknown, value: unknown) => () => 'OK'}
   */
  prepareSet = (key, value) => {
    const name = toKey(key);
    const { tag, payload } = packToKeep(value, this.#advanced());
    return () => this.#write(name, payload, tag);
  };

  /** @type {(name: string, payload: unknown, tag: number) => 'OK'} */
  #write(name, payload, tag) {
    this.#engine.set(name, payload, payload === undefined ? TAG.UNDEFINED : tag);
    if (this.#status[OWN_NEWS] !== 0) this.#hear();
    return 'OK';
  }

  /**
   * This thread has changed a key that it listens to: its listeners are called before who waits for
   * the promise of the change goes on, as with 1.1.5.
   */
  #hear() {
    this.#status[OWN_NEWS] = 0;
    queueMicrotask(this.#takeNews);
  }
}

/** @param {unknown} by */
function toStep(by) {
  if (typeof by !== 'number') throw wrongType('"by" argument', 'of type number', by);
  if (!Number.isFinite(by)) throw outOfRange('"by" argument', 'a finite number', by);
  return by;
}

module.exports = { Operations, toStep };
