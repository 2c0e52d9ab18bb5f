'use strict';

// The workers as the process sees them that forks them, gives them orders, and notes how they end.

const path = require('node:path');
const { sleep } = require('./actors/pause.js');
const { Desk } = require('./orders.js');

/** How long an order may take before it counts as hanging. */
const PATIENCE_MS = 20_000;
/** For how long another must be there, so that what listeners hear in turns fits together. */
const SETTLED_MS = 100;
const EVER = Number.POSITIVE_INFINITY;
const PROGRAM = path.join(__dirname, 'worker.js');

/**
 * @typedef {object} Hand
 * @property {number} number
 * @property {import('node:child_process').ChildProcess} child
 * @property {InstanceType<typeof Desk>} desk
 * @property {'starting' | 'working' | 'leaving' | 'killed'} state
 * @property {boolean} stopped
 * @property {number} begun when it began to take part in a round, on the clock of performance.now()
 * @property {boolean} mayEnd whether it may have ended by itself before it was killed
 */

/** What a worker tells when it is ready. @typedef {{ number: number, joinMs: number, segment?: string }} Arrival */

class Crew {
  /** What went wrong. @type {string[]} */
  violations = [];
  /** @type {Arrival[]} */
  arrivals = [];

  #count;
  #settings;
  #start;
  /** @type {Set<Hand>} */
  #hands = new Set();
  #forked = 0;
  /** @type {{ round: number, folder: string } | undefined} */
  #round;
  /** @type {(hand: Hand, what: string) => void} */
  #note;

  /**
   * @param {number} count
   * @param {object} settings of all workers
   * @param {(env: Record<string, string>, number: number) => import('node:child_process').ChildProcess} start starts a worker
   * @param {(hand: Hand, what: string) => void} note hears of each 'kill' and 'exit'
   */
  constructor(count, settings, start, note) {
    this.#count = count;
    this.#settings = settings;
    this.#start = start;
    this.#note = note;
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

  /** Those that can answer. */
  get free() {
    return this.working.filter(({ stopped }) => !stopped);
  }

  /** Whether another is there, and has been for some time. @param {Hand} hand */
  canSpare(hand) {
    const settled = performance.now() - SETTLED_MS;
    return this.free.some((other) => other !== hand && other.begun < settled);
  }

  /** @param {number} pid */
  byPid(pid) {
    return [...this.#hands].find(({ child }) => child.pid === pid);
  }

  get stopped() {
    return [...this.#hands].filter(({ stopped }) => stopped);
  }

  /** @param {{ round: number, folder: string }} round */
  async begin(round) {
    this.#round = round;
    await this.#all((hand) => this.#begin(hand, round), 'begin');
  }

  /** One begins before the others. @type {(first: Hand, round: { round: number, folder: string }) => Promise<void>} */
  async beginWith(first, round) {
    const hands = this.working;
    await this.#all((hand) => this.#begin(hand, round), 'begin', [first]);
    hands.splice(hands.indexOf(first), 1);
    this.#round = round;
    await this.#all((hand) => this.#begin(hand, round), 'begin', hands);
  }

  /** Nothing new is begun, and what was under way is done. */
  async rest() {
    this.#round = undefined;
    await this.until(() => ![...this.#hands].some(({ state }) => state !== 'working'), 'be there');
    await this.#all(({ desk }) => desk.order('rest'), 'rest');
  }

  /** @param {Record<number, number>} lasts */
  async finish(lasts) {
    await this.#all(({ desk }) => desk.order('finish', lasts), 'finish');
  }

  /** @type {(hand: Hand, how: string) => void} */
  leave(hand, how) {
    hand.state = 'leaving';
    hand.desk.order('leave', { how });
  }

  /** @param {Hand} hand */
  kill(hand) {
    hand.mayEnd = hand.state === 'leaving';
    hand.state = 'killed';
    // Before the kill: until now it lived.
    this.#note(hand, 'kill');
    hand.child.kill('SIGKILL');
  }

  /** Lets all go, but for one perhaps, and waits until they have ended by themselves. @param {Hand} [last] */
  async dismiss(last) {
    this.#count = 0;
    const others = this.working.filter((hand) => hand !== last);
    for (const hand of others) this.leave(hand, 'resting');
    await this.until(() => this.#hands.size === (last ? 1 : 0), 'end by themselves');
  }

  /** When all have gone. @returns {Promise<Arrival>} */
  async hireOne() {
    this.#count = 1;
    this.fill();
    await this.until(() => this.working.length === 1, 'join');
    return this.arrivals[this.arrivals.length - 1];
  }

  /** The last resort: after a failure nobody is left behind. */
  end() {
    this.#count = 0;
    for (const { child } of this.#hands) child.kill('SIGKILL');
  }

  /** @type {(done: () => boolean, what: string) => Promise<void>} */
  async until(done, what) {
    const deadline = performance.now() + PATIENCE_MS;
    while (!done() && performance.now() < deadline) await sleep(5);
    if (done()) return;
    const hands = [...this.#hands].map(({ number, child, state }) => {
      return `${number} (pid ${child.pid}, ${state})`;
    });
    throw new Error(`The workers did not ${what} in ${PATIENCE_MS} ms: ${hands.join(', ')}`);
  }

  #fork() {
    this.#forked += 1;
    const number = this.#forked;
    const settings = { ...this.#settings, worker: number, thread: 0 };
    const child = this.#start({ SOAK_WORKER: JSON.stringify(settings) }, number);
    const desk = new Desk((message) => child.connected && child.send(message, () => {}));
    /** @type {Hand} */
    const hand = {
      number,
      child,
      desk,
      state: 'starting',
      stopped: false,
      begun: EVER,
      mayEnd: false,
    };
    this.#hands.add(hand);
    child.on('error', () => {}); // of its channel, when it dies while something is sent
    child.on('message', (/** @type {any} */ message) => {
      if (message?.soak === 'ready') this.#ready(hand, message);
      else desk.hear(message);
    });
    child.on('exit', (code, signal) => this.#ended(hand, code, signal));
  }

  /** @type {(hand: Hand, arrival: Arrival) => void} */
  #ready(hand, { joinMs, segment }) {
    this.arrivals.push({ number: hand.number, joinMs, segment });
    if (hand.state !== 'starting') return;
    hand.state = 'working';
    if (this.#round) this.#begin(hand, this.#round);
  }

  /** @type {(hand: Hand, code: number | null, signal: string | null) => void} */
  #ended(hand, code, signal) {
    this.#hands.delete(hand);
    this.#note(hand, 'exit');
    hand.desk.gone();
    const byItself = code === 0 && (hand.state === 'leaving' || hand.mayEnd);
    const asked = byItself || (hand.state === 'killed' && signal === 'SIGKILL');
    if (!asked) {
      // Not replaced: its successor would fare no better.
      this.#count -= 1;
      const { number, child, state } = hand;
      const how = `ended with ${signal ?? code}`;
      this.violations.push(`worker ${number} (pid ${child.pid}, ${state}) ${how}`);
    }
    this.fill();
  }

  /** @type {(hand: Hand, round: { round: number, folder: string }) => Promise<void>} */
  async #begin(hand, round) {
    await hand.desk.order('begin', round);
    hand.begun = performance.now();
  }

  /** @type {(order: (hand: Hand) => Promise<void>, what: string, hands?: Hand[]) => Promise<void>} */
  async #all(order, what, hands = this.working) {
    let left = hands.length;
    for (const hand of hands) {
      order(hand).then(() => {
        left -= 1;
      });
    }
    await this.until(() => left === 0, what);
  }
}

module.exports = { Crew, PROGRAM };
