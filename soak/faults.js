'use strict';

// What befalls the workers: every now and then one is killed, stopped for a while, or sent away.

const { sleep } = require('./actors/pause.js');

/** @typedef {import('./crew.js').Hand} Hand */

/** Below the second after which a call may fail with ERR_BUSY. */
const LONGEST_STOP_MS = 300;
const LEAVES = /** @type {const} */ (['resting', 'closing', 'exiting']);
const FAULTS = /** @type {const} */ ([
  [35, 'kill'],
  [40, 'stop'],
  [25, 'leave'],
]);

class Faults {
  #crew;
  #random;
  #pace;
  #note;
  #running = false;
  #undisturbed = 0;
  #done = Promise.resolve();
  /** @type {Set<Promise<void>>} */
  #stops = new Set();

  /**
   * @param {InstanceType<typeof import('./crew.js').Crew>} crew
   * @param {InstanceType<typeof import('./random.js').Random>} random
   * @param {{ least: number, most: number }} pace how many ms are between two faults
   * @param {(hand: Hand, what: string) => void} note hears of each 'stop' and 'leave'
   */
  constructor(crew, random, pace, note) {
    this.#crew = crew;
    this.#random = random;
    this.#pace = pace;
    this.#note = note;
  }

  start() {
    this.#running = true;
    this.#done = this.#run();
  }

  /** Ends the faults; nobody is stopped any more then. */
  async end() {
    this.#running = false;
    await this.#done;
    await Promise.all(this.#stops);
  }

  /**
   * Runs a job of the primary while nobody is stopped: a latch that a stopped worker holds would
   * block the event loop that is to let it go on.
   * @param {() => Promise<void>} job
   */
  undisturbed = async (job) => {
    while (this.#crew.stopped.length > 0) await sleep(5);
    this.#undisturbed += 1;
    try {
      await job();
    } finally {
      this.#undisturbed -= 1;
    }
  };

  async #run() {
    while (this.#running) {
      await sleep(this.#random.integer(this.#pace.least, this.#pace.most));
      const free = this.#crew.free.filter((hand) => this.#crew.canSpare(hand));
      if (free.length === 0) continue;
      const hand = this.#random.pick(free);
      const fault = this.#random.weigh(FAULTS);
      if (fault === 'kill') this.#crew.kill(this.#random.pick([...free, ...this.#crew.starting]));
      else if (fault === 'leave') this.#leave(hand);
      else if (this.#undisturbed === 0) this.#stop(hand);
    }
  }

  /** @param {Hand} hand */
  #leave(hand) {
    this.#note(hand, 'leave');
    this.#crew.leave(hand, this.#random.pick(LEAVES));
  }

  /** @param {Hand} hand */
  #stop(hand) {
    const stop = this.#stopFor(hand, this.#random.integer(1, LONGEST_STOP_MS));
    this.#stops.add(stop);
    stop.then(() => this.#stops.delete(stop));
  }

  /** @type {(hand: Hand, ms: number) => Promise<void>} */
  async #stopFor(hand, ms) {
    hand.stopped = true;
    this.#note(hand, 'stop');
    hand.child.kill('SIGSTOP');
    await sleep(ms);
    // Some never go on.
    if (this.#random.chance(0.2)) this.#crew.kill(hand);
    else hand.child.kill('SIGCONT');
    hand.stopped = false;
  }
}

module.exports = { Faults };
