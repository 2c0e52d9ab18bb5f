'use strict';

// A set of keys as programs see it: the promise and callback forms around lib/operations.js, and the
// same without waiting under `sync`. The memory itself is the one that every program has; namespaces
// are others.
//
// Arguments are checked, and values packed, when a method is called and not when its turn comes.
// async functions are as fast here as Promise.resolve(), and turn every throw into a rejection.

const { setImmediate } = require('node:timers/promises');
const { toKey } = require('./keys.js');
const { Locks } = require('./locks.js');
const { makersOf } = require('./makers.js');
const { Operations } = require('./operations.js');
const { prefixOf, toFunction, toStep, ttlOf } = require('./options.js');
const { Scan, entriesOf, keysOf } = require('./scan.js');

/** @typedef {InstanceType<typeof import('./core.js').Core>} Core */
/** @typedef {import('../binding.d.ts').Face} Face */

class Space {
  #join;
  #now;
  #make;
  #locks;
  #listen;
  /** @type {(key: unknown, fn: unknown) => Promise<any>} */
  mutex;

  /**
   * @param {Core} core what all sets of keys of this thread share
   * @param {() => Face} findFace the engine for these keys, when attached
   */
  constructor(core, findFace) {
    const { join } = core;
    this.#join = join;
    this.#now = new Operations(join, findFace, core.advanced, core.takeNews, core.valueCache);
    this.#make = makersOf(this.#now);
    this.#locks = new Locks(join, () => this.#now.face, core.look, core.log);
    this.#listen = core.listeners.of(() => this.#now.face);
    this.sync = this.#synchronous();
    core.add(this.#now, this.#locks);
    // Promise forms that are nothing else than that.
    const make = this.#make;
    this.add = this.#promised(make.add);
    this.replace = this.#promised(make.replace);
    this.compareAndSet = this.#promised(make.compareAndSet);
    this.getWithVersion = this.#promised(make.getWithVersion);
    this.getAndSet = this.#promised(make.getAndSet);
    this.getAndRemove = this.#promised(make.getAndRemove);
    this.decr = this.#promised(make.decr);
    this.touch = this.#promised(make.touch);
    this.ttl = this.#promised(make.ttl);
    this.getMany = this.#promised(make.getMany);
    this.setMany = this.#promised(make.setMany);
    this.removeMany = this.#promised(make.removeMany);
    this.size = this.#promised(make.size);
    this.mutex = this.#locks.mutex;
  }

  /** @type {(key: unknown, callback?: unknown) => Promise<any>} */
  get = (key, callback) => answer(this.#get(key), callback);

  /** @type {(key: unknown, value: unknown, options?: unknown, callback?: unknown) => Promise<'OK'>} */
  set = (key, value, options, callback) =>
    typeof options === 'function' || options === undefined || options === null
      ? answer(this.#set(key, value, undefined), options ?? callback)
      : answer(this.#set(key, value, options), callback);

  /** @type {(key: unknown, callback?: unknown) => Promise<'OK'>} */
  remove = (key, callback) => answer(this.#remove(key), callback);

  /** @param {unknown} key */
  has = async (key) => {
    if (this.#join.attached) return this.#now.has(key);
    const name = toKey(key);
    return this.#join.whenAttached(() => this.#now.has(name));
  };

  /** @type {(key: unknown, by?: unknown, options?: unknown) => Promise<number>} */
  incr = async (key, by = 1, options = undefined) => {
    if (this.#join.attached) return this.#now.incr(key, by, options);
    const [name, step] = [toKey(key), toStep(by)];
    const ttl = ttlOf(options);
    return this.#join.whenAttached(() => this.#now.incr(name, step, { ttl }));
  };

  /** @type {(key: unknown, fn: unknown, options?: unknown) => Promise<any>} */
  update = async (key, fn, options) => {
    const [name, change, ttl] = [toKey(key), toFunction(fn), ttlOf(options)];
    await this.#whenReady();
    for (;;) {
      const { value, version } = this.#make.getWithVersion(name)();
      const changed = await change(value);
      if (this.#make.compareAndSet(name, version, changed, { ttl })()) return changed;
    }
  };

  /** @type {(options?: unknown) => AsyncIterableIterator<string>} */
  keys = (options) => {
    const prefix = prefixOf(options);
    return this.#batches(prefix, (keys) => keysOf(this.#now, keys));
  };

  /** @type {(options?: unknown) => AsyncIterableIterator<[string, any]>} */
  entries = (options) => {
    const prefix = prefixOf(options);
    return this.#batches(prefix, (keys) => entriesOf(this.#now, keys));
  };

  clear = async () => {
    await this.#whenReady();
    const scan = new Scan(this.#now, this.#join.status);
    while (!scan.isOver) {
      scan.clear();
      if (!scan.isOver) await setImmediate();
    }
    return /** @type {const} */ ('OK');
  };

  /** @type {(key: unknown, callback?: unknown) => Promise<string>} */
  getLock = (key, callback) => answer(this.#locks.get(key), callback);

  /** @type {(key: unknown, id: unknown, callback?: unknown) => Promise<string>} */
  releaseLock = (key, id, callback) => answer(this.#locks.release(key, id), callback);

  /** @type {(key: unknown, callback: unknown) => () => void} */
  listen = (key, callback) => this.#listen(key, callback);

  /** @param {unknown} key */
  async #get(key) {
    if (this.#join.attached) return this.#now.get(key);
    const name = toKey(key);
    return this.#join.whenAttached(() => this.#now.get(name));
  }

  /** @param {unknown} key @param {unknown} value @param {unknown} options */
  async #set(key, value, options) {
    // The mode is known once attached.
    if (this.#join.attached || this.#join.attachIfReady()) {
      return this.#now.set(key, value, options);
    }
    return this.#join.whenAttached(this.#make.set(key, value, options));
  }

  /** @param {unknown} key */
  async #remove(key) {
    if (this.#join.attached) return this.#now.remove(key);
    const name = toKey(key);
    return this.#join.whenAttached(() => this.#now.remove(name));
  }

  #whenReady() {
    return this.#join.attached ? undefined : this.#join.whenAttached(() => {});
  }

  /**
   * Batches of keys, between which the event loop turns.
   * @template T
   * @param {string} prefix
   * @param {(keys: string[]) => Iterable<T>} found
   */
  async *#batches(prefix, found) {
    await this.#whenReady();
    const scan = new Scan(this.#now, this.#join.status);
    while (!scan.isOver) {
      yield* found(scan.keys(prefix));
      if (!scan.isOver) await setImmediate();
    }
  }

  /**
   * @template {any[]} A
   * @template T
   * @param {(...args: A) => () => T} make
   * @returns {(...args: A) => Promise<T>}
   */
  #promised(make) {
    return async (...args) => {
      // The mode is known once attached.
      if (this.#join.attached || this.#join.attachIfReady()) return make(...args)();
      return /** @type {Promise<any>} */ (this.#join.whenAttached(make(...args)));
    };
  }

  #synchronous() {
    const now = this.#now;
    const make = this.#make;
    /**
     * @template {any[]} A
     * @template T
     * @param {(...args: A) => () => T} maker
     * @returns {(...args: A) => T}
     */
    const atOnce =
      (maker) =>
      (...args) => {
        // First, for the mode is known once attached.
        now.face;
        return maker(...args)();
      };
    const { get, set, remove, has, incr } = now;
    const batches = (/** @type {string} */ prefix, /** @type {any} */ found) =>
      this.#batchesNow(prefix, found);
    return {
      get,
      set,
      remove,
      has,
      incr,
      add: atOnce(make.add),
      replace: atOnce(make.replace),
      compareAndSet: atOnce(make.compareAndSet),
      getWithVersion: atOnce(make.getWithVersion),
      getAndSet: atOnce(make.getAndSet),
      getAndRemove: atOnce(make.getAndRemove),
      decr: atOnce(make.decr),
      touch: atOnce(make.touch),
      ttl: atOnce(make.ttl),
      update: atOnce(make.update),
      getMany: atOnce(make.getMany),
      setMany: atOnce(make.setMany),
      removeMany: atOnce(make.removeMany),
      size: atOnce(make.size),
      keys: (/** @type {unknown} */ options) =>
        batches(prefixOf(options), (/** @type {string[]} */ keys) => keysOf(now, keys)),
      entries: (/** @type {unknown} */ options) =>
        batches(prefixOf(options), (/** @type {string[]} */ keys) => entriesOf(now, keys)),
      clear: () => {
        const scan = new Scan(now, this.#join.status);
        while (!scan.isOver) scan.clear();
        return /** @type {const} */ ('OK');
      },
    };
  }

  /**
   * @template T
   * @param {string} prefix
   * @param {(keys: string[]) => Iterable<T>} found
   */
  *#batchesNow(prefix, found) {
    const scan = new Scan(this.#now, this.#join.status);
    while (!scan.isOver) yield* found(scan.keys(prefix));
  }
}

/**
 * Gives the outcome of a call to its callback too: the value or the error, whichever it is, as the
 * only argument. A call with a callback never makes an unhandled rejection.
 * @template T
 * @param {Promise<T>} promise
 * @param {unknown} callback anything but a function is ignored
 */
function answer(promise, callback) {
  if (typeof callback === 'function') {
    // Outside of the promise, so that what the callback throws is an uncaught exception.
    const call = (/** @type {unknown} */ outcome) => process.nextTick(callback, outcome);
    promise.then(call, call);
  }
  return promise;
}

module.exports = { Space, answer };
