'use strict';

// A thread of the soak: does its part in each round, and records it.

const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const { MARK } = require('./records.js');
const { Operator, brief } = require('./operator.js');
const { Random } = require('./random.js');
const { Recorder } = require('./recorder.js');
const { Maker } = require('./values.js');

const LOGGER_MS = 30;
/** Which part of the threads is noisy in a round: noise takes the processors from all else. */
const NOISE = [0, 0.5, 1];

/**
 * What the actors of a thread share in a round.
 * @typedef {object} Task
 * @property {any} memory
 * @property {number} round
 * @property {string} folder of the round
 * @property {InstanceType<typeof Recorder>} recorder
 * @property {InstanceType<typeof Random>} random
 * @property {InstanceType<typeof Operator>} operator
 * @property {InstanceType<typeof Maker>} maker
 * @property {number} noise the part of the threads that is noisy (actors/noise.js)
 * @property {any[]} listenings
 * @property {(job: () => Promise<void>) => Promise<void>} undisturbed
 * @property {boolean} resting whether to begin nothing new
 * @property {boolean} closed whether the memory was closed
 * @property {boolean} over whether the record of the round is closed
 */

/** @typedef {{ worker: number, thread: number, seed: number, base: string }} Identity */
/** @typedef {{ round: number, folder: string }} Round */

class Member {
  /** @type {Task | undefined} */
  task;

  #memory;
  #identity;
  #actors;
  #undisturbed;
  #working = Promise.resolve();

  /**
   * @param {any} memory
   * @param {Identity} identity
   * @param {Array<(task: Task) => Promise<void>>} actors
   * @param {(job: () => Promise<void>) => Promise<void>} [undisturbed]
   */
  constructor(memory, identity, actors, undisturbed = (job) => job()) {
    this.#memory = memory;
    this.#identity = identity;
    this.#actors = actors;
    this.#undisturbed = undisturbed;
    memory.logger = this.#log;
  }

  /** @param {Round} round */
  begin({ round, folder }) {
    const { worker, thread, seed, base } = this.#identity;
    const recorder = new Recorder(path.join(folder, `${worker}.${thread}`), BigInt(base));
    const task = {
      memory: this.#memory,
      round,
      folder,
      recorder,
      random: new Random(seed, worker, thread, round),
      operator: new Operator(this.#memory, recorder, round),
      maker: new Maker(worker, thread),
      noise: new Random(seed, round).pick(NOISE),
      listenings: [],
      undisturbed: this.#undisturbed,
      resting: false,
      closed: false,
      over: false,
    };
    this.task = task;
    const jobs = this.#actors.map((actor) => this.#run(actor, task));
    this.#working = Promise.all(jobs).then(() => {});
  }

  /** Ends what is under way. */
  async rest() {
    if (this.task === undefined) return;
    this.task.resting = true;
    await this.#working;
    this.task?.recorder.flush();
  }

  /**
   * Waits until all listeners have heard the last value of their key, and closes the record.
   * @param {Record<number, number>} lasts codes by key
   */
  async finish(lasts) {
    const { task } = this;
    if (task === undefined) return;
    await Promise.all(
      task.listenings
        .filter(({ ended }) => !ended)
        .map((listening) => listening.until(lasts[listening.key])),
    );
    // So that the logger can still say what was skipped.
    await sleep(LOGGER_MS);
    for (const listening of task.listenings) if (!listening.ended) listening.forget();
    task.over = true;
    this.task = undefined;
    task.recorder.close();
  }

  /** Leaves the memory. What is under way is to end with it. */
  async close() {
    if (this.task) {
      this.task.recorder.markNow(MARK.CLOSING);
      this.task.closed = true;
      this.task.resting = true;
    }
    await this.#memory.close();
    await this.#working;
    this.task?.recorder.flush();
  }

  /** @type {(actor: (task: Task) => Promise<void>, task: Task) => Promise<void>} */
  async #run(actor, task) {
    try {
      await actor(task);
    } catch (error) {
      if (!task.closed) task.recorder.note(`an actor failed: ${brief(error)}`);
    }
  }

  /** @param {Error} problem */
  #log = (problem) => {
    const { task } = this;
    if (task === undefined) return;
    const skipped = /skip|miss/i.test(problem.message) ? /\d+/.exec(problem.message) : null;
    if (skipped) task.recorder.mark(MARK.SKIPPED, 0, 0, Number(skipped[0]));
    else task.recorder.said(brief(problem));
  };
}

module.exports = { Member };
