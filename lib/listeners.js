'use strict';

// Listeners by key: who is called when a key changes. The engine watches a key once, however many
// listeners it has here, and tells of each change in the key's true order (lib/news.js).

const { makeError } = require('./errors.js');
const { toKey } = require('./keys.js');
const { TAG, unpack } = require('./values.js');

/**
 * @typedef {(value: any) => void} Callback
 * @typedef {{ id: number, callbacks: { call: Callback }[] }} Watched
 */

class Listeners {
  #join;
  #engine;
  /** @type {(error: any) => void} */
  #log;
  /** @type {Map<string, Watched>} */
  #keys = new Map();
  /** @type {Map<number, Watched>} */
  #watches = new Map();

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {(error: any) => void} log hears of errors that no caller waits for
   */
  constructor(join, log) {
    this.#join = join;
    this.#engine = join.engine;
    this.#log = log;
  }

  /** @type {(key: unknown, callback: unknown) => () => void} */
  listen = (key, callback) => {
    if (typeof callback !== 'function') {
      throw makeError('ERR_INVALID_ARG_TYPE', 'a listener must have a callback.');
    }
    const name = toKey(key);
    // An object of its own: one function may listen twice.
    const listener = { call: /** @type {Callback} */ (callback) };
    let isEnded = false;
    const start = () => {
      if (!isEnded) this.#add(name, listener);
    };
    if (this.#join.attached || this.#join.attachIfReady()) start();
    else this.#join.whenAttached(start).catch(this.#log);
    return () => {
      if (!isEnded) this.#remove(name, listener);
      isEnded = true;
    };
  };

  /**
   * A watched key has changed.
   * @param {number} id of the watch
   * @param {number} tag
   * @param {any} raw what the engine gave
   */
  tell(id, tag, raw) {
    const watched = this.#watches.get(id);
    if (watched === undefined) return;
    // Those who listen now, whoever comes or goes in a callback.
    for (const { call } of [...watched.callbacks]) {
      try {
        call(copyOf(tag, raw));
      } catch (error) {
        // Not ours to handle, and not the next listener's.
        process.nextTick(rethrow, error);
      }
    }
  }

  /** @param {string} name @param {{ call: Callback }} listener */
  #add(name, listener) {
    const watched = this.#keys.get(name);
    if (watched !== undefined) {
      watched.callbacks.push(listener);
      return;
    }
    const added = { id: this.#engine.watch(name), callbacks: [listener] };
    this.#keys.set(name, added);
    this.#watches.set(added.id, added);
  }

  /** @param {string} name @param {{ call: Callback }} listener */
  #remove(name, listener) {
    const watched = this.#keys.get(name);
    if (watched === undefined) return;
    watched.callbacks = watched.callbacks.filter((each) => each !== listener);
    if (watched.callbacks.length > 0) return;
    this.#keys.delete(name);
    this.#watches.delete(watched.id);
    if (!this.#join.attached) return;
    try {
      this.#engine.unwatch(watched.id);
    } catch (error) {
      // It has ended; that a filter of the segment is stale costs others a little time.
      if (/** @type {any} */ (error).code !== 'ERR_BUSY') throw error;
    }
  }
}

/**
 * Each listener gets a value of its own.
 * @param {number} tag
 * @param {any} raw
 */
function copyOf(tag, raw) {
  if (tag < TAG.JSON) return raw;
  return unpack(tag, Buffer.isBuffer(raw) ? Buffer.from(raw) : raw);
}

/** @param {unknown} error @returns {never} */
function rethrow(error) {
  throw error;
}

module.exports = { Listeners };
