'use strict';

// Going through all keys of a namespace, a batch at a time. The engine keeps nothing between two
// batches: it says where the next one begins.

const { STATUS } = require('./status.js');

/** Keys of a batch: tens of microseconds, after which others have their turn. */
const BATCH = 256;

/** @typedef {InstanceType<typeof import('./operations.js').Operations>} Operations */

class Scan {
  #now;
  #status;
  #place = { shard: 0, low: 0, high: 0 };
  isOver = false;

  /** @param {Operations} now @param {Uint32Array} status */
  constructor(now, status) {
    this.#now = now;
    this.#status = status;
  }

  /** The next keys, perhaps none. @param {string} prefix @returns {string[]} */
  keys(prefix) {
    const { shard, low, high } = this.#place;
    const keys = this.#now.face.scan(shard, low, high, prefix, BATCH);
    this.#goOn();
    return keys;
  }

  /** Removes the next keys. */
  clear() {
    const { shard, low, high } = this.#place;
    this.#now.face.clearSome(shard, low, high);
    this.#goOn();
    this.#now.hearIfTold();
  }

  #goOn() {
    const status = this.#status;
    this.isOver = status[STATUS.IS_OVER] === 1;
    this.#place = {
      shard: status[STATUS.SHARD],
      low: status[STATUS.LOW],
      high: status[STATUS.HIGH],
    };
  }
}

/**
 * Keys, each as long as there is a memory to have it.
 * @param {Operations} now
 * @param {string[]} keys
 */
function* keysOf(now, keys) {
  for (const key of keys) {
    // Throws if it was closed.
    now.face;
    yield key;
  }
}

/**
 * The entries of some keys, each read when it is asked for, without those that are gone by then.
 * @param {Operations} now
 * @param {string[]} keys
 * @returns {Generator<[string, any]>}
 */
function* entriesOf(now, keys) {
  for (const key of keys) {
    const value = now.get(key);
    if (value !== undefined || now.wasThere) yield [key, value];
  }
}

module.exports = { Scan, keysOf, entriesOf };
