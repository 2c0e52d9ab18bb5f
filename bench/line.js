'use strict';

// Orders and their answers over a process's IPC channel. Peers may use the same channel for
// themselves (1.1.5 does, and looks into every message), so ours are objects with a mark, and all
// others are left alone.

/**
 * @typedef {import('node:child_process').ChildProcess | import('node:cluster').Worker} End
 * @typedef {{ resolve: (result: any) => void, reject: (error: Error) => void }} Asked
 * @typedef {(input: any) => unknown} Job
 */

/** The asking end of a channel. */
class Line {
  #end;
  #orders = 0;
  /** @type {Map<number, Asked>} */
  #asked = new Map();
  /** @type {Error | undefined} */
  #broken;

  /**
   * @param {End} end
   * @param {string} name as in: the primary
   */
  constructor(end, name) {
    this.#end = /** @type {import('node:child_process').ChildProcess} */ (end);
    this.#end.on('message', (message) => this.#answered(message));
    this.#end.on('exit', (code, signal) => this.#ended(`${name} ended with ${code ?? signal}`));
    this.#end.on('error', (error) => this.#ended(`${name}: ${error.message}`));
  }

  /**
   * Has the other end do a job; rejects if the job fails or the process ends.
   * @param {string} job
   * @param {unknown} [input]
   * @returns {Promise<any>}
   */
  ask(job, input = {}) {
    return new Promise((resolve, reject) => {
      if (this.#broken) {
        reject(this.#broken);
        return;
      }
      this.#orders += 1;
      this.#asked.set(this.#orders, { resolve, reject });
      this.#end.send({ benchOrder: this.#orders, job, input });
    });
  }

  /** @param {any} message */
  #answered(message) {
    const asked = this.#asked.get(message?.benchAnswer);
    if (asked === undefined) return;
    this.#asked.delete(message.benchAnswer);
    if (message.error === undefined) asked.resolve(message.result);
    else asked.reject(new Error(message.error));
  }

  /** @param {string} reason */
  #ended(reason) {
    this.#broken ??= new Error(reason);
    for (const { reject } of this.#asked.values()) reject(this.#broken);
    this.#asked.clear();
  }
}

/**
 * The answering end: does what is asked over this process's own channel.
 * @param {Record<string, Job>} jobs
 */
function serve(jobs) {
  process.on('message', async (/** @type {any} */ message) => {
    const order = message?.benchOrder;
    if (order === undefined) return;
    try {
      process.send?.({ benchAnswer: order, result: await jobs[message.job](message.input) });
    } catch (error) {
      const reason = error instanceof Error ? error.message : String(error);
      process.send?.({ benchAnswer: order, error: reason });
    }
  });
}

module.exports = { Line, serve };
