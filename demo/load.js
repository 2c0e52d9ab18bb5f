'use strict';

// The visitors as the primary sees them: a process of their own.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { nothingYet } = require('./seen.js');

class Load {
  seen = nothingYet();
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
