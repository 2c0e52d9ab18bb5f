'use strict';

// What happens by itself: the engine's wake thread calls, and everything that it has for this
// environment is taken, a batch for each turn of the event loop.

const { setImmediate, setTimeout } = require('node:timers');
const { STATUS } = require('./status.js');
const { TAG } = require('./values.js');

/** What kind of news the engine gave, as its status says. */
const KIND = Object.freeze({ NOTHING: 0, GRANTED: 1, SET: 2, REMOVED: 3, SKIPPED: 4 });
/** So many, and then whatever else waits for the event loop. */
const BATCH = 1000;
const QUIET_MS = 1000;

/** @typedef {InstanceType<typeof import('./locks.js').Locks>} Locks */

class News {
  #join;
  /** Those of each set of keys. @type {Locks[]} */
  #locks = [];
  #listeners;
  /** @type {InstanceType<typeof import('./lru.js').Lru> | undefined} */
  #lru;
  /** @type {(error: any) => void} */
  #log;
  /** @type {NodeJS.Immediate | undefined} */
  #rest;
  /** Changes that were skipped and of which nobody has been told. */
  #skipped = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #quiet;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {InstanceType<typeof import('./listeners.js').Listeners>} listeners
   * @param {(error: any) => void} log
   */
  constructor(join, listeners, log) {
    this.#join = join;
    this.#listeners = listeners;
    this.#log = log;
  }

  /** More locks, which hear of their grants. @param {Locks} locks */
  grantTo(locks) {
    this.#locks.push(locks);
  }

  /** The LRU of this thread. @param {InstanceType<typeof import('./lru.js').Lru>} lru */
  inheritTo(lru) {
    this.#lru = lru;
  }

  /** Takes what there is. */
  take = () => {
    const { engine, status } = this.#join;
    for (let left = BATCH; left > 0; left -= 1) {
      if (!this.#join.attached) return;
      /** @type {any} */
      let value;
      try {
        value = engine.next();
      } catch (error) {
        this.#log(error);
        // What else there is, but not the same again and again at once.
        break;
      }
      if (status[STATUS.KIND] === KIND.NOTHING) {
        this.#lru?.inherit();
        this.#lru?.succeed();
        return;
      }
      this.#pass(value, status[STATUS.TAG], status[STATUS.KIND], status[STATUS.WATCH]);
    }
    this.#rest ??= setImmediate(() => {
      this.#rest = undefined;
      this.take();
    });
  };

  /** Takes what there is, though nobody may have told of it. */
  look = () => {
    this.#join.engine.look();
    this.take();
  };

  /** Once, and then once a second at most. */
  #tellSkipped() {
    if (this.#skipped === 0 || this.#quiet !== undefined) return;
    const error = skipped(this.#skipped);
    this.#skipped = 0;
    this.#quiet = setTimeout(() => {
      this.#quiet = undefined;
      this.#tellSkipped();
    }, QUIET_MS).unref();
    this.#log(error);
  }

  /** @type {(value: any, tag: number, kind: number, watch: number) => void} */
  #pass(value, tag, kind, watch) {
    switch (kind) {
      case KIND.GRANTED:
        this.#locks.some((locks) => locks.grant(value));
        break;
      case KIND.SET:
        this.#listeners.tell(watch, tag, value);
        break;
      case KIND.REMOVED:
        this.#listeners.tell(watch, TAG.UNDEFINED, undefined);
        break;
      case KIND.SKIPPED:
        this.#skipped += value;
        this.#tellSkipped();
        break;
    }
  }
}

/** @param {number} count */
function skipped(count) {
  return new Error(
    `Listeners of this thread were too slow: up to ${count} changes were skipped. They have heard the ` +
      'newest value of each key. A larger configure({ log }) holds more.',
  );
}

module.exports = { News };
