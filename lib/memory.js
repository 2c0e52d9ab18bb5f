'use strict';

// The object that programs hold: the promise and callback forms around lib/operations.js. Arguments
// are checked, and values packed, when a method is called and not when the call's turn comes.
//
// async functions are as fast here as Promise.resolve(), and turn every throw into a rejection.

const { throwLater, wrongType, wrongValue } = require('./errors.js');
const { parseLog, parseMaximum } = require('./config.js');
const { Join } = require('./join.js');
const { toKey } = require('./keys.js');
const { Listeners } = require('./listeners.js');
const { Locks } = require('./locks.js');
const { Lru } = require('./lru.js');
const { News } = require('./news.js');
const { Operations, toStep } = require('./operations.js');
const { Requests } = require('./requests.js');

const MODES = ['json', 'advanced'];

class Memory {
  /** @type {(problem: Error) => void} */
  logger = console.error;

  #log = (/** @type {Error} */ problem) => {
    try {
      this.logger?.(problem);
    } catch (error) {
      // What happens in the background goes on.
      throwLater(error);
    }
  };
  #join = new Join(
    (message) => this.#log(new Error(message)),
    () => this.#news.take(),
  );
  #news = new News(this.#join, this.#log);
  #locks = new Locks(this.#join, this.#news.look, this.#log);
  #listeners = new Listeners(this.#join, this.#news.look, this.#log);
  /** @type {string | undefined} */
  #mode;
  #advanced = () => (this.#mode === undefined ? this.#join.clones : this.#mode === 'advanced');
  #now = new Operations(this.#join, this.#advanced, () => this.#news.take());
  #requests = new Requests(this.#join, this.#listeners, this.#log);
  #lru = new Lru(this.#join, this.#requests, this.#advanced, this.#log);

  sync = pick(this.#now);

  constructor() {
    this.#news.connect(this.#locks, this.#listeners, this.#lru);
    // For tests: checks the whole memory, which nobody may use meanwhile.
    const value = () => JSON.parse(this.#join.engine.verify());
    Object.defineProperty(this, Symbol.for('cluster-shared-memory.verify'), { value });
  }

  /** @type {(key: unknown, callback?: unknown) => Promise<any>} */
  get = (key, callback) => answer(this.#get(key), callback);

  /** @type {(key: unknown, value: unknown, callback?: unknown) => Promise<'OK'>} */
  set = (key, value, callback) => answer(this.#set(key, value), callback);

  /** @type {(key: unknown, callback?: unknown) => Promise<'OK'>} */
  remove = (key, callback) => answer(this.#remove(key), callback);

  /** @param {unknown} key */
  has = async (key) => {
    if (this.#join.attached) return this.#now.has(key);
    const name = toKey(key);
    return this.#join.whenAttached(() => this.#now.has(name));
  };

  /** @type {(key: unknown, by?: unknown) => Promise<number>} */
  incr = async (key, by = 1) => {
    if (this.#join.attached) return this.#now.incr(key, by);
    const name = toKey(key);
    const step = toStep(by);
    return this.#join.whenAttached(() => this.#now.incr(name, step));
  };

  /** @type {(key: unknown, callback?: unknown) => Promise<string>} */
  getLock = (key, callback) => answer(this.#locks.get(key), callback);

  /** @type {(key: unknown, id: unknown, callback?: unknown) => Promise<string>} */
  releaseLock = (key, id, callback) => answer(this.#locks.release(key, id), callback);

  /** @type {(key: unknown, fn: unknown) => Promise<any>} */
  mutex = this.#locks.mutex;

  /** @type {(key: unknown, callback: unknown) => () => void} */
  listen = this.#listeners.listen;

  /** @type {(key: unknown, callback?: unknown) => Promise<any>} */
  getLRU = (key, callback) => answer(this.#lru.get(key), callback);

  /** @type {(key: unknown, value: unknown, callback?: unknown) => Promise<'OK'>} */
  setLRU = (key, value, callback) => answer(this.#lru.set(key, value), callback);

  /** @type {(key: unknown, callback?: unknown) => Promise<'OK'>} */
  removeLRU = (key, callback) => answer(this.#lru.remove(key), callback);

  /** @type {(options?: unknown) => void} */
  setLRUOptions = this.#lru.setOptions;

  /** @param {unknown} options */
  configure = (options) => {
    const { maxMemory, log, mode } = checkOptions(options);
    if (maxMemory + log > 0) this.#join.configure(maxMemory, log);
    if (mode === undefined) return;
    this.#join.chooseMode(mode);
    this.#mode = mode;
  };

  stats = async () => this.#join.whenAttached(() => JSON.parse(this.#join.engine.stats()));

  close = async () => {
    const error = this.#join.close();
    if (error === undefined) return;
    this.#locks.close(error);
    this.#listeners.close();
  };

  /** @param {unknown} key */
  async #get(key) {
    if (this.#join.attached) return this.#now.get(key);
    const name = toKey(key);
    return this.#join.whenAttached(() => this.#now.get(name));
  }

  /** @param {unknown} key @param {unknown} value */
  async #set(key, value) {
    // The mode is known once attached.
    if (this.#join.attached || this.#join.attachIfReady()) return this.#now.set(key, value);
    return this.#join.whenAttached(this.#now.prepareSet(key, value));
  }

  /** @param {unknown} key */
  async #remove(key) {
    if (this.#join.attached) return this.#now.remove(key);
    const name = toKey(key);
    return this.#join.whenAttached(() => this.#now.remove(name));
  }
}

/** @param {InstanceType<typeof Operations>} operations */
function pick({ get, set, remove, has, incr }) {
  return { get, set, remove, has, incr };
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

/**
 * Checks all options before any takes effect.
 * @param {unknown} options
 * @returns {{ maxMemory: number, log: number, mode?: string }} sizes in bytes, 0 if not given
 */
function checkOptions(options) {
  if (typeof options !== 'object' || options === null) {
    throw wrongType('"options" argument', 'an object', options);
  }
  const { maxMemory, log, mode, ...unknown } = /** @type {Record<string, any>} */ (options);
  const [name] = Object.keys(unknown);
  if (name !== undefined) throw wrongValue('option', '"maxMemory", "log" or "mode"', name);
  if (mode !== undefined && !MODES.includes(mode)) {
    throw wrongValue('"mode" option', '"json" or "advanced"', mode);
  }
  return {
    maxMemory: maxMemory === undefined ? 0 : parseMaximum(maxMemory, '"maxMemory" option'),
    log: log === undefined ? 0 : parseLog(log, '"log" option'),
    mode,
  };
}

module.exports = { Memory };
