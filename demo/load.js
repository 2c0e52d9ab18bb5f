'use strict';

// The visitors as the primary sees them: a process of their own.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');

/**
 * What the visitors have seen so far.
 * @typedef {object} Seen
 * @property {number} answered requests
 * @property {number} highest number that was given to one
 * @property {number} cut off by a kill
 * @property {number} wrong answers, lost or changed sessions, failures without a kill
 * @property {number} p50Ns half of the requests took no longer
 * @property {number} p99Ns
 * @property {number} pauseMs the longest time without any answer after a kill
 * @property {number} sessions that were read back
 * @property {string[]} problems
 */

class Load {
  /** @type {Seen} */
  seen = {
    answered: 0,
    highest: 0,
    cut: 0,
    wrong: 0,
    p50Ns: 0,
    p99Ns: 0,
    pauseMs: 0,
    sessions: 0,
    problems: [],
  };
  #child;
  /** @type {(value?: unknown) => void} */
  #known = () => {};
  #ended;

  /** @param {number} port */
  constructor(port) {
    const env = { ...process.env, PORT: String(port) };
    this.#child = fork(path.join(__dirname, 'visitors.js'), { env });
    process.on('exit', () => this.#child.kill('SIGKILL'));
    this.#ended = once(this.#child, 'exit');
    this.#child.on('message', (/** @type {any} */ { isLast, knows, ...seen }) => {
      this.seen = seen;
      if (knows) this.#known();
      if (isLast) this.#child.disconnect();
    });
  }

  /** A worker is about to be killed: returns when the visitors know. */
  async expectCuts() {
    this.#child.send('kill');
    const known = new Promise((resolve) => {
      this.#known = resolve;
    });
    await Promise.race([known, this.#ended]);
  }

  /** The visitors read everything back, and go. */
  async stop() {
    this.#child.send('stop');
    const [code, signal] = await this.#ended;
    if (code !== 0) throw new Error(`The load ended with ${code ?? signal}.`);
  }
}

module.exports = { Load };
