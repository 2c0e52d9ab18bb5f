'use strict';

// The first act: eight processes count together, each with sync.incr of the one number `count`. One
// is killed with SIGKILL and replaced, and not one count is lost.

const memory = require('cluster-shared-memory');
const { Crew } = require('./crew.js');
const { seconds, sleep, whole } = require('./words.js');

const PROCESSES = 8;
const LOOK_MS = 50;
const BAR = 40;

/** @typedef {InstanceType<typeof import('./screen.js').Screen>} AnyScreen */
/**
 * What came of it.
 * @typedef {object} Counted
 * @property {number} expected
 * @property {number} counted
 * @property {number} noted by the processes, each for itself
 * @property {number} kills
 * @property {number} ms
 */

class Counting {
  #crew = new Crew('counter.js');
  /** By their places. @type {Map<number, import('./crew.js').Worker>} */
  #running = new Map();
  #count;
  #started = performance.now();
  #kills = 0;
  #killText = '';

  /** @param {number} count */
  constructor(count) {
    this.#count = count;
  }

  /** @param {AnyScreen} screen @returns {Promise<Counted>} */
  async run(screen) {
    for (let place = 0; place < PROCESSES; place += 1) this.#fork(place);
    while (this.#running.size > 0) {
      await Promise.race([sleep(LOOK_MS), this.#crew.trouble]);
      const counted = read('count');
      this.#show(screen, counted);
      if (this.#kills === 0 && counted > this.#count / 3) await this.#kill(counted);
    }
    return {
      expected: this.#count,
      counted: read('count'),
      noted: PLACES.reduce((noted, place) => noted + read(`done:${place}`), 0),
      kills: this.#kills,
      ms: performance.now() - this.#started,
    };
  }

  /** @param {number} place */
  #share(place) {
    return Math.floor(this.#count / PROCESSES) + (place < this.#count % PROCESSES ? 1 : 0);
  }

  /** @param {number} place */
  #fork(place) {
    const worker = this.#crew.fork({ PLACE: place, SHARE: this.#share(place) });
    this.#running.set(place, worker);
    worker.on('exit', () => this.#running.delete(place));
  }

  /** @param {number} counted */
  async #kill(counted) {
    const busy = PLACES.find((place) => this.#running.has(place));
    const victim = busy === undefined ? undefined : this.#running.get(busy);
    if (busy === undefined || victim === undefined) return;
    if (!(await this.#crew.kill(victim))) return;
    this.#kills += 1;
    this.#fork(busy);
    const { pid } = victim.process;
    this.#killText = `pid ${pid} killed by SIGKILL at ${whole(counted)}; another goes on for it`;
  }

  /** @type {(screen: AnyScreen, counted: number) => void} */
  #show(screen, counted) {
    const ms = performance.now() - this.#started;
    const bar = '#'.repeat(Math.min(BAR, Math.floor((counted / this.#count) * BAR)));
    const rate = `${whole(counted / (ms / 1000))} a second`;
    const line = `  [${bar.padEnd(BAR, '.')}] ${whole(counted)}, ${rate}`;
    screen.show(
      [line, `  ${this.#killText}`],
      `  ${seconds(ms)} s: counted ${whole(counted)}, ${rate}`,
    );
  }
}

const PLACES = Array.from({ length: PROCESSES }, (_, place) => place);

/** @param {string} key @returns {number} */
const read = (key) => memory.sync.get(key) ?? 0;

module.exports = { Counting, PROCESSES };
