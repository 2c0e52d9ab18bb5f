'use strict';

// The workers as the primary sees them: forks them, gives them orders, and notes how they end.

const cluster = require('node:cluster');
const path = require('node:path');
const { sleep } = require('./actors/pause.js');
const { Desk } = require('./orders.js');

/** How long an order may take before it counts as hanging. */
const PATIENCE_MS = 20_000;

/**
 * @typedef {object} Hand
 * @property {number} number
 * @property {import('node:cluster').Worker} worker
 * @property {InstanceType<typeof Desk>} desk
 * @property {'starting' | 'working' | 'leaving' | 'killed'} state
 * @property {boolean} stopped
 */

class Crew {
  /** What went wrong. @type {string[]} */
  violations = [];

  #count;
  #settings;
  /** @type {Set<Hand>} */
  #hands = new Set();
  #forked = 0;
  /** @type {{ round: number, folder: string } | undefined} */
  #round;
  /** @type {(hand: Hand, what: string) => void} */
  #note;

  /**
   * @param {number} count
   * @param {{ seed: number, base: string, module: string }} settings
   * @param {(hand: Hand, what: string) => void} note hears of each 'exit'
   */
  constructor(count, settings, note) {
    this.#count = count;
    this.#settings = settings;
    this.#note = note;
    cluster.setupPrimary({ exec: path.join(__dirname, 'worker.js') });
  }

  /** Forks workers until there are enough. */
  fill() {
    while (this.#hands.size < this.#count) this.#fork();
  }

  /** Those that are at work. */
  get working() {
    return [...this.#hands].filter(({ state }) => state === 'working');
  }

  get starting() {
    return [...this.#hands].filter(({ state }) => state === 'starting');
  }

  get stopped() {
    return [...this.#hands].filter(({ stopped }) => stopped);
  }

  /** @param {{ round: number, folder: string }} round */
  async begin(round) {
    this.#round = round;
    await this.#all('begin', round);
  }

  /** Nothing new is begun, and what was under way is done. */
  async rest() {
    this.#round = undefined;
    await this.until(() => ![...this.#hands].some(({ state }) => state !== 'working'), 'be there');
    await this.#all('rest');
  }

  /** @param {Record<number, number>} lasts */
  async finish(lasts) {
    await this.#all('finish', lasts);
  }

  /** @type {(hand: Hand, how: string) => void} */
  leave(hand, how) {
    hand.state = 'leaving';
    hand.desk.order('leave', { how });
  }

  /** Lets all go, and waits until they have ended by themselves. */
  async dismiss() {
    this.#count = 0;
    for (const hand of this.working) this.leave(hand, 'resting');
    await this.until(() => this.#hands.size === 0, 'end by themselves');
  }

  /** The last resort: after a failure nobody is left behind. */
  end() {
    this.#count = 0;
    for (const { worker } of this.#hands) worker.process.kill('SIGKILL');
  }

  /** @type {(done: () => boolean, what: string) => Promise<void>} */
  async until(done, what) {
    const deadline = performance.now() + PATIENCE_MS;
    while (!done() && performance.now() < deadline) await sleep(5);
    if (done()) return;
    const hands = [...this.#hands].map(({ number, worker, state }) => {
      return `${number} (pid ${worker.process.pid}, ${state})`;
    });
    throw new Error(`The workers did not ${what} in ${PATIENCE_MS} ms: ${hands.join(', ')}`);
  }

  #fork() {
    this.#forked += 1;
    const settings = { ...this.#settings, worker: this.#forked, thread: 0 };
    const worker = cluster.fork({ SOAK_WORKER: JSON.stringify(settings) });
    const desk = new Desk((message) => worker.isConnected() && worker.send(message, () => {}));
    /** @type {Hand} */
    const hand = { number: this.#forked, worker, desk, state: 'starting', stopped: false };
    this.#hands.add(hand);
    worker.on('error', () => {}); // of its channel, when it dies while something is sent
    worker.on('message', (message) => {
      if (message?.soak === 'ready') this.#ready(hand);
      else desk.hear(message);
    });
    worker.on('exit', (code, signal) => this.#ended(hand, code, signal));
  }

  /** @param {Hand} hand */
  #ready(hand) {
    if (hand.state !== 'starting') return;
    hand.state = 'working';
    if (this.#round) hand.desk.order('begin', this.#round);
  }

  /** @type {(hand: Hand, code: number | null, signal: string | null) => void} */
  #ended(hand, code, signal) {
    this.#hands.delete(hand);
    this.#note(hand, 'exit');
    hand.desk.gone();
    const asked =
      hand.state === 'killed' ? signal === 'SIGKILL' : hand.state === 'leaving' && code === 0;
    if (!asked) {
      // Not replaced: its successor would fare no better.
      this.#count -= 1;
      const how = `ended with ${signal ?? code}`;
      this.violations.push(
        `worker ${hand.number} (pid ${hand.worker.process.pid}, ${hand.state}) ${how}`,
      );
    }
    this.fill();
  }

  /** @type {(name: string, details?: object) => Promise<void>} */
  async #all(name, details) {
    const hands = this.working;
    let left = hands.length;
    for (const { desk } of hands) {
      desk.order(name, details).then(() => {
        left -= 1;
      });
    }
    await this.until(() => left === 0, name);
  }
}

module.exports = { Crew };
