'use strict';

// The second act: an HTTP cluster under load. Its primary sends notices that every worker hears,
// kills a worker every few seconds and starts another in its place.

const { once } = require('node:events');
const memory = require('cluster-shared-memory');
const { Crew } = require('./crew.js');
const { Load } = require('./load.js');
const { CACHED } = require('./pages.js');
const { linesOf, plainOf } = require('./table.js');
const { nowMs, sleep } = require('./words.js');

const LOOK_MS = 200;
const NOTICE_MS = 20;
/** At half of a short run. */
const KILL_MS = 5000;
const LAST_MS = 1000;
const PATIENCE_MS = 10_000;

/** @typedef {InstanceType<typeof import('./screen.js').Screen>} AnyScreen */
/** @typedef {InstanceType<typeof Load>} AnyLoad */
/** @typedef {import('./crew.js').Worker} Worker */
/** @typedef {{ first: number, last: number, wrong: number, p50Ns: number, p99Ns: number }} Heard */
/** @typedef {{ id: number, worker: Worker, isKilled: boolean }} Member */
/** @typedef {{ id: number, pid: number, answered: number, heard: number, isKilled: boolean }} Row */
/**
 * What came of it.
 * @typedef {object} Served
 * @property {import('./seen.js').Seen} seen by the visitors
 * @property {number} counted
 * @property {number} made pages
 * @property {number} notices
 * @property {number} kills
 * @property {boolean} inOrder whether every worker has heard every notice since its begin, in order
 * @property {{ p50Ns: number, p99Ns: number }} notice how long it took to be heard by the slowest worker
 * @property {number} ms
 */

class Serving {
  #crew = new Crew('server.js');
  /** @type {Member[]} */
  #members = [];
  #options;
  #port;
  #notices = 0;
  #kills = 0;
  #ms = 0;

  /** @param {import('./options.js').Options} options */
  constructor(options) {
    this.#options = options;
    this.#port = options.port;
  }

  /** @param {AnyScreen} screen @returns {Promise<Served>} */
  async run(screen) {
    memory.setLRUOptions({ max: CACHED });
    await memory.set('requests', { count: 0 });
    await this.#begin();
    const notices = setInterval(() => this.#notify(), NOTICE_MS);
    const load = new Load(this.#port);
    await Promise.race([this.#goOn(screen, load), this.#crew.trouble]);
    // A worker that was started late is to hear some too.
    await this.#untilEach(({ last }) => last > 0);
    clearInterval(notices);
    const inOrder = await this.#untilEach(({ last }) => last === this.#notices);
    const heard = this.#members.map(({ id }) => heardBy(id));
    await this.#crew.end();
    return {
      seen: load.seen,
      counted: read('requests').count,
      made: read('made') ?? 0,
      notices: this.#notices,
      kills: this.#kills,
      inOrder: inOrder && heard.every(({ wrong }) => wrong === 0),
      notice: {
        p50Ns: Math.max(...heard.map(({ p50Ns }) => p50Ns)),
        p99Ns: Math.max(...heard.map(({ p99Ns }) => p99Ns)),
      },
      ms: this.#ms,
    };
  }

  /** The first worker finds a port, or finds it taken. The others share it, also if they asked for any. */
  async #begin() {
    const [{ port }] = await Promise.race([once(this.#fork(), 'listening'), this.#crew.trouble]);
    this.#port = port;
    const others = Array.from({ length: this.#options.workers - 1 }, () => this.#fork());
    const listening = Promise.all(others.map((worker) => once(worker, 'listening')));
    await Promise.race([listening, this.#crew.trouble]);
  }

  #fork() {
    const id = this.#members.length + 1;
    const worker = this.#crew.fork({ WORKER: id, PORT: this.#options.port });
    this.#members.push({ id, worker, isKilled: false });
    return worker;
  }

  /** @param {AnyScreen} screen @param {AnyLoad} load */
  async #goOn(screen, load) {
    const lengthMs = this.#options.seconds * 1000;
    const everyMs = Math.min(KILL_MS, lengthMs / 2);
    const started = performance.now();
    const view = { url: `http://127.0.0.1:${this.#port}`, lengthMs };
    while (this.#ms < lengthMs) {
      await sleep(LOOK_MS);
      this.#ms = performance.now() - started;
      const now = { ...view, ms: this.#ms, rows: this.#rows(), seen: load.seen, ...facts() };
      screen.show(linesOf(now), plainOf(now));
      const isTime = this.#ms >= (this.#kills + 1) * everyMs;
      // The last moments show that it goes on; one is killed in any case.
      const isLate = this.#kills > 0 && this.#ms > lengthMs - LAST_MS;
      if (isTime && !isLate) await this.#kill(load);
    }
    await load.stop();
  }

  #notify() {
    this.#notices += 1;
    memory.sync.set('notice', { number: this.#notices, sentMs: nowMs() });
  }

  /** @param {AnyLoad} load */
  async #kill(load) {
    const member = this.#members.find(({ isKilled }) => !isKilled);
    if (member === undefined) return;
    await load.expectCuts();
    await this.#crew.kill(member.worker);
    member.isKilled = true;
    this.#kills += 1;
    this.#fork();
  }

  /** @returns {Row[]} */
  #rows() {
    return this.#members.map(({ id, worker, isKilled }) => {
      const { first, last } = heardBy(id);
      const heard = last === 0 ? 0 : last - first + 1;
      const pid = worker.process.pid ?? 0;
      return { id, pid, answered: read(`answered:${id}`) ?? 0, heard, isKilled };
    });
  }

  /**
   * Waits until each living worker has heard what it should have; whether that came in time.
   * @param {(heard: Heard) => boolean} hasHeard
   */
  async #untilEach(hasHeard) {
    const living = this.#members.filter(({ isKilled }) => !isKilled);
    const haveAll = () => living.every(({ id }) => hasHeard(heardBy(id)));
    const end = performance.now() + PATIENCE_MS;
    while (!haveAll() && performance.now() < end) await sleep(NOTICE_MS);
    return haveAll();
  }
}

/** @param {string} key */
const read = (key) => memory.sync.get(key);

/** @param {number} id @returns {Heard} */
const heardBy = (id) => read(`heard:${id}`) ?? { first: 0, last: 0, wrong: 0, p50Ns: 0, p99Ns: 0 };

const facts = () => ({ counted: read('requests').count, made: read('made') ?? 0 });

module.exports = { Serving };
