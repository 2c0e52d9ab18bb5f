'use strict';

// The thread that a worker has beside its main thread, now and then: it takes part in the rounds,
// and is terminated in the middle of something, or leaves.

const path = require('node:path');
const { once } = require('node:events');
const { Worker } = require('node:worker_threads');
const { sleep } = require('./actors/pause.js');
const { Desk } = require('./orders.js');
const { MARK } = require('./records.js');

/** @typedef {import('./member.js').Task} Task */

const PROGRAM = path.join(__dirname, 'worker.js');
const STEP_MS = 20;

class Companion {
  #settings;
  #count = 0;
  /** @type {{ thread: Worker, desk: InstanceType<typeof Desk>, number: number, ended: Promise<unknown> } | undefined} */
  #present;

  /** @param {import('./worker.js').Settings} settings */
  constructor(settings) {
    this.#settings = settings;
  }

  /** What happens to the thread in a round. @param {Task} task */
  act = async (task) => {
    const { random } = task;
    if (this.#present) this.#begin(task);
    while (!task.resting) {
      await this.#idle(task, random.integer(100, 1500));
      if (task.resting) break;
      if (!this.#present) await this.#start(task);
      else if (random.chance(0.7)) await this.#terminate(task);
      else if (random.chance(0.5)) await this.leave();
    }
    if (!task.closed) await this.#present?.desk.order('rest');
  };

  /** @param {Record<number, number>} lasts */
  async finish(lasts) {
    await this.#present?.desk.order('finish', lasts);
  }

  async leave() {
    if (!this.#present) return;
    const { desk, ended } = this.#present;
    await desk.order('leave');
    await ended;
  }

  /** @param {Task} task */
  async #start(task) {
    this.#count += 1;
    const number = this.#count;
    const thread = new Worker(PROGRAM, { workerData: { ...this.#settings, thread: number } });
    const desk = new Desk((message) => thread.postMessage(message));
    const ended = once(thread, 'exit').then(() => {
      this.#present = undefined;
      if (!task.over) task.recorder.markNow(MARK.ENDED, number);
      desk.gone();
    });
    await once(thread, 'message');
    thread.on('message', (message) => desk.hear(message));
    this.#present = { thread, desk, number, ended };
    await this.#begin(task);
  }

  /** @param {{ round: number, folder: string }} task */
  async #begin({ round, folder }) {
    await this.#present?.desk.order('begin', { round, folder });
  }

  /** @param {Task} task */
  async #terminate({ recorder }) {
    if (!this.#present) return;
    const { thread, number, ended } = this.#present;
    recorder.markNow(MARK.TERMINATING, number);
    await thread.terminate();
    await ended;
  }

  /** @type {(task: Task, ms: number) => Promise<void>} */
  async #idle(task, ms) {
    for (let left = ms; left > 0 && !task.resting; left -= STEP_MS) await sleep(STEP_MS);
  }
}

module.exports = { Companion };
