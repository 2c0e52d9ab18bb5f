'use strict';

// The LRU of 1.1.5, which is lru-cache 6: one cache of all processes, and the engine keeps its order.
// What needs functions of the program is done where they are, in the primary: `dispose` hears of what
// has left the cache, `length` measures what comes into it. While there is a `length`, a setLRU of
// another thread is a request that the primary runs (lib/requests.js). Where processes share by a
// name, any of them may choose the options; those that choose the same share the cache as it is, and
// each measures what it sets itself.

const { setImmediate, setTimeout } = require('node:timers');
const { makeError, throwLater } = require('./errors.js');
const { toKey } = require('./keys.js');
const { STATUS } = require('./status.js');
const { TAG, packToKeep, unpack } = require('./values.js');

/** What the engine's lruSet gives for an entry that is to be measured first. */
const UNMEASURED = 2;
/** As the engine numbers them. */
const FLAG = Object.freeze({
  STALE: 1,
  NO_DISPOSE_ON_SET: 2,
  UPDATE_AGE: 4,
  DISPOSE: 8,
  LENGTH: 16,
});
/** Steps of freeing an old cache, or disposals, and then whatever else waits for the event loop. */
const BATCH = 100;
/** How often the heir's own set hears of what has left, to have its memory, and tries again. */
const TRIES = 16;
const RETRY_MS = 50;
/** As the engine says who measures. */
const THIS_THREAD = 2;
/** As the engine's lruStanding adds up. */
const STANDING = Object.freeze({ SAME: 1, HEIR: 2, MEASURER: 4 });

const DEFAULTS = Object.freeze({ max: 10_000, maxAge: 300_000 });

class Lru {
  #join;
  #engine;
  #requests;
  #advanced;
  /** @type {((value: any, key: string) => number) | undefined} */
  #length;
  /** @type {((key: string, value: any) => void) | undefined} */
  #dispose;
  /** What this thread chose last, as the engine has it. @type {[number, number, number] | undefined} */
  #chosen;
  /** How many were dropped unheard so far. */
  #lost = 0;
  /** Whether the rest of what has left is heard of later. */
  #isBehind = false;
  /** @type {(error: any) => void} */
  #log;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {InstanceType<typeof import('./requests.js').Requests>} requests
   * @param {() => boolean} advanced whether objects are stored as structured clones
   * @param {(error: any) => void} log hears of errors that no caller waits for
   */
  constructor(join, requests, advanced, log) {
    this.#join = join;
    this.#engine = join.engine;
    this.#requests = requests;
    this.#advanced = advanced;
    this.#log = log;
  }

  /** @param {unknown} key */
  get = async (key) => {
    const name = toKey(key);
    return this.#inOrder(() => this.#get(name));
  };

  /** @type {(key: unknown, value: unknown) => Promise<'OK'>} */
  set = async (key, value) => {
    const name = toKey(key);
    // First, for the mode is known once attached.
    this.#join.attachIfReady();
    const packed = packToKeep(value, this.#advanced());
    const set = () => this.#setPacked(name, packed, value);
    if (this.#requests.isAsking) return this.#requests.ask(name, packed, set);
    return this.#inOrder(set);
  };

  /** @type {(key: unknown) => Promise<'OK'>} */
  remove = async (key) => {
    const name = toKey(key);
    return this.#inOrder(() => {
      this.#engine.lruRemove(name);
      this.inherit();
      return /** @type {const} */ ('OK');
    });
  };

  /** @param {unknown} options */
  setOptions = (options) => {
    if (this.#join.role !== 'primary' && !this.#isOfGroup()) throw notPrimary();
    const chosen = { ...DEFAULTS, .../** @type {any} */ (options) };
    check(chosen);
    this.#join.attachNow();
    this.inherit();
    const { length, dispose } = chosen;
    if (typeof length === 'function') {
      // First: nobody shall ask who is not heard.
      this.#requests.answer((key, packed) => this.#setPacked(key, packed, valueIn(packed)));
    }
    this.#chosen = [chosen.max || 0, chosen.maxAge || 0, flagsOf(chosen)];
    const isKept = this.#join.name !== '' && this.#engine.lruAdopt(...this.#chosen);
    if (!isKept) this.#engine.lruOptions(...this.#chosen);
    this.#lost = 0;
    this.#length = typeof length === 'function' ? length : undefined;
    this.#dispose = typeof dispose === 'function' ? dispose : undefined;
    this.#sweep();
  };

  /**
   * Tells `dispose` of what has left the cache, in order: a batch, and the rest when others had their
   * turn.
   */
  inherit() {
    for (let left = BATCH; left > 0; left -= 1) {
      if (this.#dispose === undefined || !this.#join.attached) return;
      try {
        if (!this.#inheritOne(this.#dispose)) {
          this.#tellLost();
          return;
        }
      } catch (error) {
        this.#log(error);
        this.#inheritLater((go) => setTimeout(go, RETRY_MS).unref());
        return;
      }
    }
    this.#inheritLater((go) => setImmediate(go));
  }

  /** @param {(go: () => void) => unknown} schedule */
  #inheritLater(schedule) {
    if (this.#isBehind) return;
    this.#isBehind = true;
    schedule(() => {
      this.#isBehind = false;
      this.inherit();
    });
  }

  #tellLost() {
    const lost = this.#engine.lruLost();
    if (lost > this.#lost) {
      this.#log(
        new Error(
          `The cache's dispose was too slow, or its thread was busy: ${lost - this.#lost} entries ` +
            'were dropped unheard, since more than a 16th of the memory waited for it.',
        ),
      );
    }
    this.#lost = lost;
  }

  /** Whether there was something. @param {(key: string, value: any) => void} dispose */
  #inheritOne(dispose) {
    const pair = this.#engine.lruInherit();
    if (pair === undefined) return false;
    const [key, raw] = pair;
    const tag = this.#join.status[STATUS.TAG];
    try {
      dispose(key, tag < TAG.JSON ? raw : unpack(tag, raw));
    } catch (error) {
      throwLater(error);
    }
    return true;
  }

  /** @param {string} name */
  #get(name) {
    const raw = this.#engine.lruGet(name);
    const tag = this.#join.status[STATUS.TAG];
    this.inherit();
    return tag < TAG.JSON ? raw : unpack(tag, raw);
  }

  /**
   * Runs an operation at once, or when those before it have been run.
   * @template T
   * @param {() => T | Promise<T>} run
   * @returns {T | Promise<T>}
   */
  #inOrder(run) {
    if (!this.#join.attached) return this.#join.whenAttached(() => this.#inOrder(run));
    return this.#requests.isAsking ? this.#requests.inTurn(run) : run();
  }

  /**
   * @param {string} name
   * @param {import('./values.js').Packed} packed
   * @param {unknown} value the same, for `length`
   * @returns {'OK' | Promise<'OK'>}
   */
  #setPacked(name, packed, value) {
    const outcome = this.#store(name, packed, this.#lengthOf(value, name));
    this.inherit();
    if (outcome !== UNMEASURED) return 'OK';
    return this.#requests.ask(name, packed, () => this.#setPacked(name, packed, value));
  }

  /** @type {(name: string, packed: import('./values.js').Packed, length?: number) => number} */
  #store(name, { tag, payload }, length) {
    const store = () =>
      this.#engine.lruSet(name, payload, tag, length === undefined ? 0 : 1, length ?? 0);
    for (let left = TRIES; ; left -= 1) {
      try {
        return store();
      } catch (error) {
        const isFull = /** @type {any} */ (error).code === 'ERR_OUT_OF_MEMORY';
        if (!isFull || left === 0 || this.#dispose === undefined) throw error;
        // What has left the cache has its memory until it is heard of here.
        this.inherit();
      }
    }
  }

  /** What `length` says, if it is this thread's that counts. @type {(value: any, key: string) => number | undefined} */
  #lengthOf(value, key) {
    const length = this.#length;
    if (length === undefined || !this.#measures()) return undefined;
    return Number(length(value, key));
  }

  /** Whether this thread measures what it sets: as all do that share by a name and have a `length`. */
  #measures() {
    if (this.#join.name === '') return this.#engine.lruMeasured() === THIS_THREAD;
    return this.#standsByOptions();
  }

  /** In place of a thread that has ended, if it had chosen the same. */
  succeed() {
    if (this.#chosen === undefined || this.#join.name === '' || !this.#join.attached) return;
    if (this.#standsByOptions()) this.inherit();
  }

  /** Whether the cache still has the options that this thread has chosen. */
  #standsByOptions() {
    const chosen = /** @type {[number, number, number]} */ (this.#chosen);
    const standing = this.#engine.lruStanding(...chosen);
    if ((standing & STANDING.SAME) === 0) return false;
    const isMissed =
      (this.#dispose !== undefined && (standing & STANDING.HEIR) === 0) ||
      (this.#length !== undefined && (standing & STANDING.MEASURER) === 0);
    return !isMissed || this.#engine.lruAdopt(...chosen);
  }

  // A worker may have been told by its primary with whom it shares, when it attached.
  #isOfGroup() {
    const join = this.#join;
    if (join.name === '' && !join.attachIfReady() && join.isReading) join.attachNow();
    return join.name !== '';
  }

  /** Frees what the old cache held, a little at a time. */
  #sweep() {
    if (!this.#join.attached) return;
    for (let left = BATCH; left > 0; left -= 1) {
      try {
        if (!this.#engine.lruSweep()) return;
      } catch {
        // Others free it too, with each setLRU, and so does the hub.
        return;
      }
    }
    setImmediate(() => this.#sweep()).unref();
  }
}

/** What lru-cache 6 refuses, in its words. @param {any} options */
function check({ max, maxAge }) {
  if (max && (typeof max !== 'number' || max < 0)) {
    throw makeError('ERR_INVALID_ARG_TYPE', 'max must be a non-negative number');
  }
  if (maxAge && typeof maxAge !== 'number') {
    throw makeError('ERR_INVALID_ARG_TYPE', 'maxAge must be a number');
  }
}

/** @param {any} options */
function flagsOf({ stale, noDisposeOnSet, updateAgeOnGet, dispose, length }) {
  return (
    (stale ? FLAG.STALE : 0) |
    (noDisposeOnSet ? FLAG.NO_DISPOSE_ON_SET : 0) |
    (updateAgeOnGet ? FLAG.UPDATE_AGE : 0) |
    (typeof dispose === 'function' ? FLAG.DISPOSE : 0) |
    (typeof length === 'function' ? FLAG.LENGTH : 0)
  );
}

/** @param {import('./values.js').Packed} packed */
function valueIn({ tag, payload }) {
  return tag < TAG.JSON ? payload : unpack(tag, payload);
}

function notPrimary() {
  return makeError(
    'ERR_NOT_PRIMARY',
    'setLRUOptions() works in the primary only, where its functions run',
  );
}

module.exports = { Lru };
