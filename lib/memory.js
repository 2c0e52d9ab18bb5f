'use strict';

// The object that programs hold: the keys that all share (lib/space.js), their namespaces, the LRU,
// and what concerns the memory as a whole.

const path = require('node:path');
const { parseLog, parseMaximum, parseSpace, parseValueCache } = require('./config.js');
const { Core } = require('./core.js');
const { wrongType, wrongValue } = require('./errors.js');
const { Lru } = require('./lru.js');
const { toFunction } = require('./options.js');
const { Requests } = require('./requests.js');
const { toGroup } = require('./scope.js');
const { Space, answer } = require('./space.js');

const MODES = ['json', 'advanced'];
/** Bytes of the path of a snapshot: a primary tells it to its workers in one message. */
const LONGEST_PATH = 1024;
/** Bytes of its name: files beside it have longer ones. */
const LONGEST_FILE = 220;
/** Units of a namespace's name. */
const LONGEST_NAME = 200;

class Memory extends Space {
  /** @type {(problem: Error) => void} */
  logger = console.error;

  #core;
  #join;
  #lru;
  /** By name. @type {Map<string, InstanceType<typeof Namespace>>} */
  #namespaces = new Map();

  constructor() {
    const core = new Core();
    super(core, () => core.join.engine);
    this.#core = core;
    this.#join = core.join;
    core.hearOf = (problem) => this.logger?.(problem);
    const requests = new Requests(core.join, core.listeners, core.log);
    this.#lru = new Lru(core.join, requests, core.advanced, core.log);
    core.news.inheritTo(this.#lru);
    // For tests: checks the whole memory, which nobody may use meanwhile.
    const value = () => JSON.parse(core.join.engine.verify());
    Object.defineProperty(this, Symbol.for('cluster-shared-memory.verify'), { value });
  }

  /** @type {(key: unknown, callback?: unknown) => Promise<any>} */
  getLRU = (key, callback) => answer(this.#lru.get(key), callback);

  /** @type {(key: unknown, value: unknown, callback?: unknown) => Promise<'OK'>} */
  setLRU = (key, value, callback) => answer(this.#lru.set(key, value), callback);

  /** @type {(key: unknown, callback?: unknown) => Promise<'OK'>} */
  removeLRU = (key, callback) => answer(this.#lru.remove(key), callback);

  /** @type {(options?: unknown) => void} */
  setLRUOptions = (options) => this.#lru.setOptions(options);

  /** @type {(name: unknown, options?: unknown) => any} */
  namespace = (name, options) => {
    const checked = toName(name);
    const bound = boundOf(options);
    let namespace = this.#namespaces.get(checked);
    if (namespace === undefined) {
      namespace = new Namespace(this.#core, checked);
      this.#namespaces.set(checked, namespace);
    }
    if (bound > 0) namespace.bound(bound);
    return namespace;
  };

  /** @param {unknown} options */
  configure = (options) => {
    const { name, snapshot, progress, maxMemory, log, mode, valueCache } = checkOptions(options);
    if (snapshot !== undefined && (name ?? this.#join.name) === '') {
      throw wrongValue('"snapshot" option', 'given with a "name"', snapshot);
    }
    const former = this.#join.name;
    if (name !== undefined) this.#join.share(name);
    try {
      if (maxMemory + log > 0) this.#join.configure(maxMemory, log);
      if (snapshot !== undefined) this.#join.snapshot(snapshot);
    } catch (error) {
      if (name !== undefined) this.#join.share(former);
      throw error;
    }
    if (progress !== undefined) this.#join.hearOfReading = progress;
    if (mode !== undefined) {
      this.#join.chooseMode(mode);
      this.#core.mode = mode;
    }
    if (valueCache !== undefined) this.#core.keepValues(valueCache);
  };

  stats = async () =>
    this.#join.whenAttached(() => {
      const { name, engine } = this.#join;
      return { name: name || null, ...JSON.parse(engine.stats()) };
    });

  close = async () => this.#core.close();
}

/** Keys apart from all others. */
class Namespace extends Space {
  #core;
  /** @type {import('../binding.d.ts').Face | undefined} */
  #face;
  /** Bytes that it may have, still to be said; 0: nothing to be said. */
  #bound = 0;

  /** @param {InstanceType<typeof Core>} core @param {string} name */
  constructor(core, name) {
    super(core, () => this.#open());
    this.#core = core;
    this.name = name;
  }

  /** From now on, or as soon as there is a memory. @param {number} bytes */
  bound(bytes) {
    this.#bound = bytes;
    if (this.#core.join.attachIfReady()) this.#open();
    else this.#core.join.whenAttached(() => this.#open()).catch(this.#core.log);
  }

  #open() {
    this.#face ??= this.#core.join.engine.namespace(this.name);
    if (this.#bound > 0) this.#face.bound(this.#bound);
    this.#bound = 0;
    return this.#face;
  }
}

/** @param {unknown} name */
function toName(name) {
  if (typeof name !== 'string') throw wrongType('"name" argument', 'of type string', name);
  if (name.length === 0 || name.length > LONGEST_NAME) {
    throw wrongValue('"name" argument', `1 to ${LONGEST_NAME} UTF-16 units long`, name);
  }
  return name;
}

/** @param {unknown} snapshot */
function toFile(snapshot) {
  if (typeof snapshot !== 'string')
    throw wrongType('"snapshot" option', 'of type string', snapshot);
  // Whoever leaves last may be in another folder.
  const file = path.resolve(snapshot);
  const isShort =
    Buffer.byteLength(file) <= LONGEST_PATH &&
    Buffer.byteLength(path.basename(file)) <= LONGEST_FILE;
  if (snapshot === '' || file.includes('\0') || !isShort) {
    const expected = `a path of at most ${LONGEST_PATH} bytes, ${LONGEST_FILE} of them for the name`;
    throw wrongValue('"snapshot" option', expected, snapshot);
  }
  return file;
}

/** Bytes that a namespace may have; 0 if nothing is said. @param {unknown} options */
function boundOf(options) {
  if (options === undefined) return 0;
  const { maxMemory } = known(options, ['maxMemory']);
  return maxMemory === undefined ? 0 : parseSpace(maxMemory, '"maxMemory" option');
}

/**
 * The options, if they are all known.
 * @param {unknown} options
 * @param {string[]} names
 * @returns {Record<string, any>}
 */
function known(options, names) {
  if (typeof options !== 'object' || options === null) {
    throw wrongType('"options" argument', 'an object', options);
  }
  const unknown = Object.keys(options).find((name) => !names.includes(name));
  if (unknown !== undefined) {
    const quoted = names.map((name) => `"${name}"`);
    const last = quoted.pop();
    const list = quoted.length > 0 ? `${quoted.join(', ')} or ${last}` : last;
    throw wrongValue('option', /** @type {string} */ (list), unknown);
  }
  return /** @type {Record<string, any>} */ (options);
}

/**
 * Checks all options before any takes effect.
 * @param {unknown} options
 * @returns {{ name?: string, snapshot?: string, progress?: (...args: any[]) => void, maxMemory: number, log: number, mode?: string,
 *   valueCache?: number }} the name is empty for the cluster; sizes in bytes, 0 if not given
 */
function checkOptions(options) {
  const { name, scope, snapshot, progress, maxMemory, log, mode, valueCache } = known(options, [
    'name',
    'scope',
    'snapshot',
    'progress',
    'maxMemory',
    'log',
    'mode',
    'valueCache',
  ]);
  if (mode !== undefined && !MODES.includes(mode)) {
    throw wrongValue('"mode" option', '"json" or "advanced"', mode);
  }
  if (scope !== undefined && scope !== 'tree') throw wrongValue('"scope" option', '"tree"', scope);
  if (scope !== undefined && name !== undefined) {
    throw wrongValue('"scope" option', 'left out where there is a "name"', scope);
  }
  return {
    name: name === undefined ? scope && '' : toGroup(name, '"name" option'),
    progress: progress === undefined ? undefined : toFunction(progress, '"progress" option'),
    snapshot: snapshot === undefined ? undefined : toFile(snapshot),
    maxMemory: maxMemory === undefined ? 0 : parseMaximum(maxMemory, '"maxMemory" option'),
    log: log === undefined ? 0 : parseLog(log, '"log" option'),
    mode,
    valueCache:
      valueCache === undefined ? undefined : parseValueCache(valueCache, '"valueCache" option'),
  };
}

module.exports = { Memory };
