'use strict';

// The processes of an act: the workers of a cluster that run one program. Some are killed on the
// way; whoever ends otherwise ends the demo. None outlives the primary.

const cluster = require('node:cluster');
const { once } = require('node:events');
const path = require('node:path');

/** @typedef {import('node:cluster').Worker} Worker */

class Crew {
  /** Rejects when a process has ended as it should not. @type {Promise<never>} */
  trouble;
  /** @type {Set<Worker>} */
  #living = new Set();
  /** @type {Set<Worker>} */
  #ending = new Set();
  /** @type {(error: Error) => void} */
  #fail = () => {};

  /** @param {string} program a file beside this one */
  constructor(program) {
    cluster.setupPrimary({ exec: path.join(__dirname, program), args: [] });
    this.trouble = new Promise((_, reject) => {
      this.#fail = reject;
    });
    // Whoever waits for it hears of it.
    this.trouble.catch(() => {});
  }

  get living() {
    return [...this.#living];
  }

  /** @param {Record<string, unknown>} env @returns {Worker} */
  fork(env) {
    const worker = cluster.fork(env);
    this.#living.add(worker);
    worker.on('exit', (code, signal) => {
      this.#living.delete(worker);
      // Ctrl-C reaches all processes of a terminal; the primary ends the demo for it.
      if (code === 0 || signal === 'SIGINT' || this.#ending.has(worker)) return;
      const how = code === null ? `was ended by ${signal}` : `ended with ${code}`;
      this.#fail(new Error(`The worker with pid ${worker.process.pid} ${how}.`));
    });
    return worker;
  }

  /**
   * Returns when it has ended: whether by that, and not by itself just before.
   * @param {Worker} worker
   */
  async kill(worker) {
    this.#ending.add(worker);
    const ended = once(worker, 'exit');
    worker.process.kill('SIGKILL');
    const [, signal] = await ended;
    return signal === 'SIGKILL';
  }

  async end() {
    await Promise.all(this.living.map((worker) => this.kill(worker)));
  }
}

module.exports = { Crew };
