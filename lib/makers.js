'use strict';

// The operations that are not written out for speed (lib/operations.js). Each maker checks its
// arguments and packs its values when it is called, and gives what is to be done once the
// environment is attached; from that, the synchronous and the promise form are made alike.

const { wrongType } = require('./errors.js');
const { toKey } = require('./keys.js');
const {
  FOR_EVER,
  toFunction,
  toIterable,
  toPair,
  toStep,
  toTtl,
  toVersion,
  ttlOf,
} = require('./options.js');

/** On what a put depends, as the engine numbers it. */
const IF = Object.freeze({ ALWAYS: 0, ABSENT: 1, PRESENT: 2, VERSION: 3 });

/** Keys beyond this are shown to the engine, which alone knows how long one may be, before any is set. */
const LONG_KEY = 500;

/** @typedef {InstanceType<typeof import('./operations.js').Operations>} Operations */
/** @typedef {import('./values.js').Packed} Packed */

/** @param {Operations} now */
function makersOf(now) {
  /** @type {(name: string, packed: Packed, ttl: number, condition: number, version?: number) => boolean} */
  const put = (name, { tag, payload }, ttl, condition, version = 0) => {
    const isDone = now.face.put(name, payload, tag, ttl, condition, version) > 0;
    now.hearIfTold();
    return isDone;
  };
  /** @type {(name: string, version: number, packed: Packed, ttl: number) => boolean} */
  const putIfStill = (name, version, packed, ttl) =>
    put(name, packed, ttl, version === 0 ? IF.ABSENT : IF.VERSION, version);
  const getWithVersion = (/** @type {string} */ name) => {
    const value = now.unpack(now.face.get(name));
    return { value, version: now.version };
  };

  return {
    /** @param {unknown} key @param {unknown} value @param {unknown} options */
    set(key, value, options) {
      const [name, packed, ttl] = [toKey(key), now.pack(value), ttlOf(options)];
      return () => {
        put(name, packed, ttl, IF.ALWAYS);
        return /** @type {const} */ ('OK');
      };
    },

    /** @param {unknown} key @param {unknown} value @param {unknown} [options] */
    add(key, value, options) {
      const [name, packed, ttl] = [toKey(key), now.pack(value), ttlOf(options)];
      return () => put(name, packed, ttl, IF.ABSENT);
    },

    /** @param {unknown} key @param {unknown} value @param {unknown} [options] */
    replace(key, value, options) {
      const [name, packed, ttl] = [toKey(key), now.pack(value), ttlOf(options)];
      return () => put(name, packed, ttl, IF.PRESENT);
    },

    /** @param {unknown} key @param {unknown} version @param {unknown} value @param {unknown} [options] */
    compareAndSet(key, version, value, options) {
      const [name, expected] = [toKey(key), toVersion(version)];
      const [packed, ttl] = [now.pack(value), ttlOf(options)];
      return () => putIfStill(name, expected, packed, ttl);
    },

    /** @param {unknown} key */
    getWithVersion(key) {
      const name = toKey(key);
      return () => getWithVersion(name);
    },

    /** @param {unknown} key @param {unknown} value @param {unknown} [options] */
    getAndSet(key, value, options) {
      const [name, { tag, payload }, ttl] = [toKey(key), now.pack(value), ttlOf(options)];
      return () => {
        const old = now.unpack(now.face.exchange(name, payload, tag, ttl));
        now.hearIfTold();
        return old;
      };
    },

    /** @param {unknown} key */
    getAndRemove(key) {
      const name = toKey(key);
      return () => {
        const old = now.unpack(now.face.take(name));
        now.hearIfTold();
        return old;
      };
    },

    /** @param {unknown} key @param {unknown} [by] @param {unknown} [options] */
    decr(key, by = 1, options = undefined) {
      const [name, step, ttl] = [toKey(key), toStep(by), ttlOf(options)];
      return () => now.incr(name, -step, { ttl });
    },

    /** @param {unknown} key @param {unknown} ttl */
    touch(key, ttl) {
      const [name, ms] = [toKey(key), toTtl(ttl, '"ttl" argument')];
      return () => now.face.touch(name, ms);
    },

    /** @param {unknown} key */
    ttl(key) {
      const name = toKey(key);
      return () => now.face.ttl(name) || undefined;
    },

    /** @param {unknown} key @param {unknown} fn @param {unknown} [options] */
    update(key, fn, options) {
      const [name, change, ttl] = [toKey(key), toFunction(fn), ttlOf(options)];
      return () => {
        for (;;) {
          const { value, version } = getWithVersion(name);
          const changed = change(value);
          if (typeof changed?.then === 'function') {
            throw wrongType('"fn" argument', 'a function that gives no promise', fn);
          }
          if (putIfStill(name, version, now.pack(changed), ttl)) return changed;
        }
      };
    },

    /** @param {unknown} keys */
    getMany(keys) {
      const names = Array.from(toIterable(keys, 'keys'), toKey);
      return () => names.map(now.get);
    },

    /** @param {unknown} entries @param {unknown} [options] */
    setMany(entries, options) {
      const ttl = ttlOf(options);
      /** @type {[string, Packed][]} */
      const all = [];
      for (const entry of entriesOf(entries)) {
        const [key, value] = toPair(entry);
        all.push([toKey(key), now.pack(value)]);
      }
      return () => {
        const { face } = now;
        for (const [name] of all) if (name.length > LONG_KEY) face.has(name);
        try {
          for (const [name, { tag, payload }] of all) {
            if (ttl === FOR_EVER) face.set(name, payload, tag);
            else face.put(name, payload, tag, ttl, IF.ALWAYS, 0);
          }
        } finally {
          // Also of those before one that failed.
          now.hearIfTold();
        }
        return /** @type {const} */ ('OK');
      };
    },

    /** @param {unknown} keys */
    removeMany(keys) {
      const names = Array.from(toIterable(keys, 'keys'), toKey);
      return () => {
        let removed = 0;
        try {
          for (const name of names) removed += now.face.remove(name) ? 1 : 0;
        } finally {
          now.hearIfTold();
        }
        return removed;
      };
    },

    size() {
      return () => /** @type {number} */ (JSON.parse(now.face.usage()).entries);
    },
  };
}

/** Pairs of an iterable, or of an object. @param {unknown} entries @returns {Iterable<[unknown, unknown]>} */
function entriesOf(entries) {
  const isPlain = typeof entries === 'object' && entries !== null && !(Symbol.iterator in entries);
  return isPlain ? Object.entries(entries) : toIterable(entries, 'entries');
}

module.exports = { makersOf };
