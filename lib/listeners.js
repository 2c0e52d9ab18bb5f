'use strict';

// Listeners: who is called when a key changes. The engine tells each of them of every change of its
// key that was made since it began, in the key's true order, with a value of its own (lib/news.js).

const { setInterval, clearInterval } = require('node:timers');
const { throwLater } = require('./errors.js');
const { toKey } = require('./keys.js');
const { TAG, unpack } = require('./values.js');

/** The error is a plain one, as it always was. */
const NO_CALLBACK = 'ERR_INVALID_ARG_TYPE';
/** Who made a change tells of it, but may have been stopped or killed before it could. */
const LOOK_AGAIN_MS = 1000;

/** @typedef {(tag: number, raw: any) => void} Tell gets what the engine gives */
/** @typedef {import('../binding.d.ts').Face} Face */

class Listeners {
  #join;
  #engine;
  #look;
  /** @type {(error: any) => void} */
  #log;
  /** By the id of their watch. @type {Map<number, Tell>} */
  #watches = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {() => void} look has the engine look at everything
   * @param {(error: any) => void} log hears of errors that no caller waits for
   */
  constructor(join, look, log) {
    this.#join = join;
    this.#engine = join.engine;
    this.#look = look;
    this.#log = log;
  }

  /**
   * `listen` for the keys of a set.
   * @param {() => Face} findFace the engine for these keys, when attached
   * @returns {(key: unknown, callback: unknown) => () => void}
   */
  of = (findFace) => (key, callback) => {
    if (typeof callback !== 'function') {
      throw Object.assign(new Error('a listener must have a callback.'), { code: NO_CALLBACK });
    }
    const name = toKey(key);
    const tell = (/** @type {number} */ tag, /** @type {any} */ raw) =>
      callback(tag < TAG.JSON ? raw : unpack(tag, raw));
    if (this.#join.attachIfReady()) return this.watch(findFace(), name, tell);
    let isEnded = false;
    let end = () => {};
    const start = () => {
      if (!isEnded) end = this.watch(findFace(), name, tell);
    };
    this.#join.whenAttached(start).catch(this.#log);
    return () => {
      isEnded = true;
      end();
    };
  };

  /**
   * Listens to a key of a face of the engine, which is attached.
   * @param {Face} face
   * @param {string} name
   * @param {Tell} tell
   * @returns {() => void} ends it
   */
  watch(face, name, tell) {
    const watch = face.watch(name);
    this.#watches.set(watch, tell);
    this.#timer ??= setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS).unref();
    return () => this.#end(watch);
  }

  /**
   * A watched key has changed.
   * @param {number} watch
   * @param {number} tag
   * @param {any} raw what the engine gave
   */
  tell(watch, tag, raw) {
    try {
      this.#watches.get(watch)?.(tag, raw);
    } catch (error) {
      // Not ours to handle, and not the next listener's.
      throwLater(error);
    }
  }

  close() {
    clearInterval(this.#timer);
    this.#watches.clear();
  }

  /** @param {number} watch */
  #end(watch) {
    if (!this.#watches.delete(watch)) return;
    if (!this.#join.attached) return;
    try {
      this.#engine.unwatch(watch);
    } catch (error) {
      // It has ended; that a filter of the segment is stale costs others a little time.
      if (/** @type {any} */ (error).code !== 'ERR_BUSY') throw error;
    }
  }

  #lookAgain() {
    if (this.#watches.size > 0) {
      this.#look();
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }
}

module.exports = { Listeners };
