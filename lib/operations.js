'use strict';

// The operations on one key, without waiting: what memory.sync offers, and what the promise forms do
// once the environment is attached. Every method works detached from the object.
//
// get, set, has, remove and incr are written out, for speed. All others are made of makers
// (lib/makers.js), which check the arguments and pack the values when they are called, and give what
// is to be done when the environment is attached.

const { Copies, copyOf } = require('./copies.js');
const { toKey } = require('./keys.js');
const { FOR_EVER, toStep, ttlOf } = require('./options.js');
const { STATUS, VERSION } = require('./status.js');
const { TAG, tagOf, pack, packToKeep, unpack } = require('./values.js');

const { TAG: TAG_AT, OWN_NEWS } = STATUS;

/** @typedef {import('../binding.d.ts').Face} Face */
/** @typedef {import('./values.js').Packed} Packed */

class Operations {
  #join;
  #advanced;
  #takeNews;
  #findFace;
  /** The engine for these keys, once attached. @type {Face | undefined} */
  #face;
  #status;
  #versions;
  #copies;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {() => Face} findFace the engine for these keys, when attached
   * @param {() => boolean} advanced whether objects are stored as structured clones
   * @param {() => void} takeNews calls the listeners of this thread that have something to hear
   * @param {number} copies units of text of which the values are kept
   */
  constructor(join, findFace, advanced, takeNews, copies) {
    this.#join = join;
    this.#findFace = findFace;
    this.#advanced = advanced;
    this.#takeNews = takeNews;
    this.#status = join.status;
    this.#versions = join.versions;
    this.#copies = new Copies(copies);
  }

  /** The engine for these keys; attaches at once or throws. @returns {Face} */
  get face() {
    return this.#face ?? this.#attach();
  }

  /** Forgets the engine: what is called later attaches anew, which fails. */
  close() {
    this.#face = undefined;
  }

  /** @param {number} copies */
  keepCopies(copies) {
    this.#copies = new Copies(copies);
  }

  /** @type {(key: unknown) => any} */
  get = (key) => {
    const name = toKey(key);
    const face = this.#face ?? this.#attach();
    if (!this.#copies.isEmpty) {
      const kept = this.#copies.find(name);
      if (kept !== undefined && kept.version !== 0) {
        const raw = face.getNew(name, kept.version);
        const tag = this.#status[TAG_AT];
        if (tag === TAG.UNCHANGED) {
          this.#copies.copied += 1;
          return copyOf(kept);
        }
        this.#copies.forget(kept);
        return this.#take(name, raw, tag);
      }
    }
    const raw = face.get(name);
    const tag = this.#status[TAG_AT];
    return tag < TAG.STRING ? raw : this.#take(name, raw, tag);
  };

  /** @type {(key: unknown, value: unknown, options?: unknown) => 'OK'} */
  set = (key, value, options) => {
    const name = toKey(key);
    const ttl = options === undefined ? FOR_EVER : ttlOf(options);
    // First, for the mode is known once attached.
    const face = this.#face ?? this.#attach();
    const tag = tagOf(value, this.#advanced());
    const payload = pack(tag, value);
    const storedTag = payload === undefined ? TAG.UNDEFINED : tag;
    if (ttl === FOR_EVER) face.set(name, payload, storedTag);
    else face.put(name, payload, storedTag, ttl, 0, 0);
    if (this.#status[OWN_NEWS] !== 0) this.hear();
    return 'OK';
  };

  /** @type {(key: unknown) => 'OK'} */
  remove = (key) => {
    const name = toKey(key);
    const face = this.#face ?? this.#attach();
    face.remove(name);
    if (this.#status[OWN_NEWS] !== 0) this.hear();
    return 'OK';
  };

  /** @param {unknown} key */
  has = (key) => {
    const name = toKey(key);
    const face = this.#face ?? this.#attach();
    return face.has(name);
  };

  /** @type {(key: unknown, by?: unknown, options?: unknown) => number} */
  incr = (key, by = 1, options = undefined) => {
    const name = toKey(key);
    const step = toStep(by);
    const ttl = options === undefined ? FOR_EVER : ttlOf(options);
    const face = this.#face ?? this.#attach();
    const sum = ttl === FOR_EVER ? face.incr(name, step) : face.incrFor(name, step, ttl);
    if (this.#status[OWN_NEWS] !== 0) this.hear();
    return sum;
  };

  /** A value as it is now, whatever becomes of it. @param {unknown} value @returns {Packed} */
  pack(value) {
    const { tag, payload } = packToKeep(value, this.#advanced());
    return { tag: payload === undefined ? TAG.UNDEFINED : tag, payload };
  }

  /** What the engine has read. @param {any} raw */
  unpack(raw) {
    const tag = this.#status[TAG_AT];
    return tag < TAG.JSON ? raw : unpack(tag, raw);
  }

  /** Whether there was such an entry when the engine read it last. */
  get wasThere() {
    return this.#status[TAG_AT] !== 0;
  }

  /** The version of the value that the engine read last. */
  get version() {
    return this.wasThere ? this.#versions[VERSION] : 0;
  }

  /** Passes on what this thread has changed, if it listens to it. */
  hearIfTold() {
    if (this.#status[OWN_NEWS] !== 0) this.hear();
  }

  /**
   * This thread has changed a key that it listens to: its listeners are called before who waits for
   * the promise of the change goes on, as with 1.1.5.
   */
  hear() {
    this.#status[OWN_NEWS] = 0;
    queueMicrotask(this.#takeNews);
  }

  #attach() {
    if (!this.#join.attached) this.#join.attachNow();
    this.#face = this.#findFace();
    return this.#face;
  }

  /** The value that was read, of which a copy may be kept. @type {(name: string, raw: any, tag: number) => any} */
  #take(name, raw, tag) {
    if (tag < TAG.STRING) return raw;
    if (tag >= TAG.CLONE) return unpack(tag, raw);
    const value = tag < TAG.JSON ? raw : JSON.parse(raw);
    this.#copies.note(name, this.#versions[VERSION], raw.length, value);
    return value;
  }
}

module.exports = { Operations };
