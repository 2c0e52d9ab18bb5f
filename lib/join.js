'use strict';

// How an environment (a main thread or a worker_thread) comes to its engine: loads the addon, finds
// the role of the process, and attaches at the first operation.
//
// A worker may ask before its primary has the package. Promise forms then wait in one queue and are
// run in the order in which they were made, all at once, before anything made later; each waits for
// at most PATIENCE_MS. Only a waiting operation keeps the process alive.

const { performance } = require('node:perf_hooks');
const { setImmediate, setTimeout, clearTimeout } = require('node:timers');
const { startupSnapshot } = require('node:v8');
const threads = require('node:worker_threads');
const { loadBinding } = require('./binding.js');
const { defaultMaximum } = require('./config.js');
const { makeError, throwLater } = require('./errors.js');
const { usableProcessors } = require('./limits.js');
const { channelSerialization, findRole } = require('./role.js');
const { groupOfProcess } = require('./scope.js');
const { STATUS, newStatus } = require('./status.js');

/** For how long a hub that was found may take to answer; the event loop stands still meanwhile. */
const ANSWER_MS = 100;
/** In a group: its place in the queue is kept, so there is no haste. */
const GROUP_ANSWER_MS = 10;
/** When it joins by itself: nothing has begun yet, and whoever starts it may take it for ready soon. */
const FIRST_ANSWER_MS = 250;
/** The same for a call that cannot wait in another way. */
const LONG_ANSWER_MS = 1000;
const PATIENCE_MS = 5000;
const IDLE_PAUSE_MS = 1000;
/** While a file is read: whoever has begun that is soon to hear if it fails, for others wait. */
const READING_PAUSE_MS = 250;
const FIRST_PAUSE_MS = 5;
const LONGEST_PAUSE_MS = 50;

const LEAVERS = Symbol.for('cluster-shared-memory.leavers');

/** What the engine's attach gives. */
const NOBODY = 0;
const READING = 2;

/** As the engine numbers them. */
const MODES = [undefined, 'json', 'advanced'];
const NOT_CHOSEN = 0;

/**
 * @typedef {object} Waiting an operation that waits for the attach
 * @property {() => any} run
 * @property {(value: any) => void} resolve
 * @property {(error: unknown) => void} reject
 * @property {number} deadline on the clock of performance.now()
 */

class Join {
  /** Whether operations may go to the engine: the one thing that a hot path asks. */
  attached = false;
  /** What the engine tells beside the value of a call; see lib/status.js. */
  status;
  versions;
  /** Tells lock ids of this shared memory from those of another; known once attached. */
  nonce = '';
  /** Whether a snapshot was still being read when it was looked at last. */
  isReading = false;

  /** Hears how far the snapshot is read. @type {(progress: { entries: number, total: number }) => void} */
  hearOfReading = () => {};

  #warn;
  /** Known for good once attached. @type {string | undefined} */
  #name;
  /** @type {(() => void) | undefined} */
  #atExit;
  #channelClones;
  #mode = NOT_CHOSEN;
  #closed = false;
  /** What joining by itself failed with; the next one to ask is told. @type {unknown} */
  #failure;
  #joinsIdly = false;
  /** Whether the program hears of that just now, and may ask for something. */
  #isHeard = false;
  /** @type {Waiting[]} */
  #waiting = [];
  /** @type {NodeJS.Timeout | undefined} */
  #timer;
  #pauseMs = FIRST_PAUSE_MS;

  /**
   * @param {(problem: any) => void} warn hears of problems in the background
   * @param {() => void} news is called when the engine has something to be heard of
   */
  constructor(warn, news) {
    // V8 ends the process where it finds an addon in a snapshot.
    if (startupSnapshot?.isBuildingSnapshot?.()) throw inSnapshot();
    const { initialEnv, open } = loadBinding();
    this.role = findRole(initialEnv);
    this.#channelClones = initialEnv('NODE_CHANNEL_SERIALIZATION_MODE') === 'advanced';
    const { status, versions } = newStatus();
    this.status = status;
    this.versions = versions;
    const thread = threads.threadId;
    const processors = usableProcessors();
    this.#warn = warn;
    const role = /** @type {any} */ (this.role);
    const name = groupOfProcess(this.role === 'worker', initialEnv);
    const tell = (/** @type {string} */ message) => warn(new Error(message));
    this.engine = open({ role, name, thread, status, makeError, warn: tell, news, processors });
    this.engine.suggest(defaultMaximum(process.env));
    this.#joinSoon();
  }

  /** Whether objects are structured clones instead of JSON, as the primary or its cluster chose. */
  get clones() {
    if (this.#mode !== NOT_CHOSEN) return this.#mode === MODES.indexOf('advanced');
    if (this.role === 'worker') return this.#channelClones;
    return channelSerialization() === 'advanced';
  }

  /** The name of those that it shares with; empty where that is its cluster. */
  get name() {
    return this.#name ?? this.engine.name();
  }

  /** @param {string} name of those to share with; empty for the cluster */
  share(name) {
    if (this.#closed) throw closed();
    this.engine.share(name);
    this.#failure = undefined;
    this.#joinSoon();
  }

  /** @param {string} file that the memory begins with and is left in */
  snapshot(file) {
    if (this.#closed) throw closed();
    this.engine.snapshot(file);
    this.#failure = undefined;
  }

  /** Sizes in bytes; 0 leaves one as it is. */
  configure(maxBytes = 0, logBytes = 0) {
    if (this.#closed) throw closed();
    this.engine.configure(maxBytes, NOT_CHOSEN, logBytes);
  }

  /**
   * Makes a mode the default of all processes, if there is no segment yet.
   * @param {string} mode
   */
  chooseMode(mode) {
    if (this.#closed) throw closed();
    try {
      this.engine.configure(0, MODES.indexOf(mode), 0);
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'ERR_ALREADY_OPEN') throw error;
    }
  }

  /** Attaches at once or throws; waits for a snapshot that is being read. */
  attachNow() {
    while (!this.#attach(LONG_ANSWER_MS)) {
      if (this.isReading) continue;
      this.#giveUp();
      throw this.#nobody('Synchronous calls do not wait for it');
    }
  }

  /** Attaches if that needs no waiting, and nobody waits who would have to come first. */
  attachIfReady() {
    if (this.attached) return true;
    if (!this.#closed && this.#waiting.length > 0) return false;
    if (this.#attach()) return true;
    // Unless the caller waits now, it has failed by then.
    setImmediate(() => {
      if (!this.#closed && !this.attached && this.#waiting.length === 0) this.#giveUp();
    }).unref();
    return false;
  }

  /**
   * Runs an operation as soon as the environment is attached.
   * @template T
   * @param {() => T} run
   * @returns {Promise<Awaited<T>>}
   */
  whenAttached(run) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ run, resolve, reject, deadline: performance.now() + PATIENCE_MS });
      if (this.#timer !== undefined) return;
      if (this.#isHeard) this.#timer = setTimeout(() => this.#knock(), FIRST_PAUSE_MS);
      else this.#knock();
    });
  }

  /** @returns {Error | undefined} what calls fail with from now on; undefined if they did before */
  close() {
    if (this.#closed) return undefined;
    this.#closed = true;
    this.attached = false;
    const error = closed();
    this.#rejectAll(error);
    return error;
  }

  /** Leaves the memory; throws if the snapshot cannot be written. */
  leave() {
    if (this.#atExit !== undefined) leavers().delete(this.#atExit);
    const problem = this.engine.close();
    if (problem !== undefined) this.#warn(new Error(problem));
  }

  // A process that nobody has asked anything yet is a member all the same: else an application that is
  // idle while its processes are replaced one by one would lose what it shares. On the next turn, for
  // the program may configure it first. This keeps no process alive.
  #joinSoon() {
    if (this.name === '' || !threads.isMainThread || this.#joinsIdly) return;
    this.#joinsIdly = true;
    setImmediate(() => this.#joinIdly(LONGEST_PAUSE_MS, FIRST_ANSWER_MS)).unref();
  }

  /** @param {number} pauseMs @param {number} [answerMs] */
  #joinIdly(pauseMs, answerMs) {
    this.#joinsIdly = false;
    if (this.#closed || this.attached || this.name === '') return;
    try {
      if (this.#waiting.length === 0 && this.#attach(answerMs)) return;
    } catch (error) {
      // Another failure is met again by whoever asks; this one has left an empty memory behind.
      if (/** @type {any} */ (error).code !== 'ERR_SNAPSHOT') return;
      this.#warn(error);
      this.#failure = error;
      return;
    }
    this.#joinsIdly = true;
    const nextMs = Math.min(pauseMs * 2, this.isReading ? READING_PAUSE_MS : IDLE_PAUSE_MS);
    setTimeout(() => this.#joinIdly(nextMs), pauseMs).unref();
  }

  #knock() {
    this.#timer = undefined;
    const before = performance.now();
    try {
      if (this.#attach()) return;
    } catch (error) {
      this.#rejectAll(error);
      return;
    }
    this.#rejectLate();
    if (this.#waiting.length === 0 || this.#timer !== undefined) return;
    // A hub that is stopped takes calls and does not answer; the event loop must turn meanwhile.
    const pauseMs = Math.max(this.#pauseMs, 10 * (performance.now() - before));
    this.#timer = setTimeout(() => this.#knock(), pauseMs);
    this.#pauseMs = Math.min(this.#pauseMs * 2, LONGEST_PAUSE_MS);
  }

  #attach(answerMs = this.name === '' ? ANSWER_MS : GROUP_ANSWER_MS) {
    if (this.#closed) throw closed();
    if (this.#failure !== undefined) {
      const failure = this.#failure;
      this.#failure = undefined;
      throw failure;
    }
    if (!this.attached) {
      const answer = this.engine.attach(answerMs);
      this.isReading = answer === READING;
      this.#leaveAtExit();
      if (this.isReading) this.#beRead();
      if (answer === READING || answer === NOBODY) return this.attached;
      this.attached = true;
      this.#name = this.engine.name();
      this.#mode = this.engine.mode();
      this.nonce = this.engine.nonce();
    }
    this.#runAll();
    return true;
  }

  // The engine's own hook does not run at process.exit(), and the last one may have a snapshot to write.
  // So may who is not in yet: another thread may have it read, while others come and go.
  #leaveAtExit() {
    if (this.name === '' || !threads.isMainThread || this.#atExit !== undefined) return;
    this.#atExit = () => {
      this.#closed = true;
      this.attached = false;
      try {
        this.leave();
      } catch (error) {
        this.#warn(error);
      }
    };
    leavers().add(this.#atExit);
  }

  /** Nobody is impatient while something happens. */
  #beRead() {
    const deadline = performance.now() + PATIENCE_MS;
    for (const waiting of this.#waiting) waiting.deadline = deadline;
    if (this.#isHeard) return;
    const { [STATUS.READ]: entries, [STATUS.TOTAL]: total } = this.status;
    this.#isHeard = true;
    try {
      this.hearOfReading({ entries, total });
    } catch (error) {
      throwLater(error);
    }
    this.#isHeard = false;
  }

  #runAll() {
    for (const { run, resolve, reject } of this.#takeWaiting()) {
      try {
        resolve(run());
      } catch (error) {
        reject(error);
      }
    }
  }

  /** @param {string} effort */
  #nobody(effort) {
    return this.name === '' ? noPrimary(effort) : noHost(this.name, effort);
  }

  #takeWaiting() {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    this.#pauseMs = FIRST_PAUSE_MS;
    return this.#waiting.splice(0);
  }

  /** @param {unknown} error */
  #rejectAll(error) {
    for (const { reject } of this.#takeWaiting()) reject(error);
  }

  #rejectLate() {
    const now = performance.now();
    // The queue is in order of the deadlines.
    while (this.#waiting.length > 0 && this.#waiting[0].deadline <= now) {
      this.#waiting.shift()?.reject(this.#nobody(`Waited for ${PATIENCE_MS / 1000} seconds`));
    }
    if (this.#waiting.length > 0) return;
    this.#pauseMs = FIRST_PAUSE_MS;
    this.#giveUp();
  }

  // An answer that nobody waits for would be lost in the queue, and the name with it. The main thread of
  // a group goes on to wait for it, whether it has known of the group before or was told by its primary.
  #giveUp() {
    this.#joinSoon();
    if (!this.#joinsIdly) this.engine.letGo();
  }
}

/**
 * What is done when the process exits, by one listener for all copies of the package: a test runner may
 * load many.
 * @returns {Set<() => void>}
 */
function leavers() {
  const known = /** @type {any} */ (process)[LEAVERS];
  if (known !== undefined) return known;
  /** @type {Set<() => void>} */
  const all = new Set();
  Object.defineProperty(process, LEAVERS, { value: all });
  process.once('exit', () => {
    for (const leave of all) leave();
  });
  return all;
}

function inSnapshot() {
  return makeError(
    'ERR_BINARY_MISSING',
    'The addon cannot be part of a startup snapshot. Load the package when the program runs: in the ' +
      'function given to v8.startupSnapshot.setDeserializeMainFunction().',
  );
}

/** @param {string} effort */
function noPrimary(effort) {
  return makeError(
    'ERR_NO_PRIMARY',
    `The primary process of this worker does not share memory. ${effort}. Put ` +
      "require('cluster-shared-memory') into the program of the primary as well, before or after " +
      'it forks the workers; or give all of them a name to share by: configure({ name }).',
  );
}

/** @param {string} name @param {string} effort */
function noHost(name, effort) {
  return makeError(
    'ERR_NO_HOST',
    `No process that shares by the name "${name}" answers. ${effort}. One of them admits the ` +
      'others: it may be stopped, or too busy.',
  );
}

function closed() {
  return makeError('ERR_CLOSED', 'The shared memory was closed by close()');
}

module.exports = { Join };
