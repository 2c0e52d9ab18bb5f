'use strict';

// The main file of every program that helpers.js runs: finds its role and calls the function of
// that role, which is given the tools below. No process is ended by force: it must end by itself
// once its function is done.

const cluster = require('node:cluster');
const fs = require('node:fs');
const { once } = require('node:events');
const v8 = require('node:v8');
const { Worker, isMainThread, threadId } = require('node:worker_threads');

/** @typedef {(t: typeof tools) => unknown} Job */

const tools = {
  cluster,
  threadId,

  /** The package; loaded where a function first mentions it, and not before. */
  get memory() {
    return require('../index.js');
  },

  /** What the test handed over. */
  get input() {
    return v8.deserialize(Buffer.from(String(process.env.TEST_INPUT), 'base64'));
  },

  /**
   * Tells the test something that a structured clone can hold.
   * @param {unknown} value
   */
  say(value) {
    fs.writeSync(1, `${v8.serialize(value).toString('base64')}\n`);
  },

  /** @param {number} ms */
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),

  /**
   * Forks workers and waits until all have ended well.
   * @param {number} [count]
   */
  async workers(count = 1) {
    await Promise.all(Array.from({ length: count }, () => tools.ended(cluster.fork())));
  },

  /** @param {import('node:cluster').Worker} worker */
  async ended(worker) {
    const [code, signal] = await once(worker, 'exit');
    if (code !== 0) throw new Error(`A worker ended with ${code ?? signal}.`);
  },

  /** Starts a thread and waits until it has ended well. */
  async thread() {
    const [code] = await once(new Worker(__filename), 'exit');
    if (code !== 0) throw new Error(`A thread ended with ${code}.`);
  },

  /**
   * What an error was, as far as it can be told to the test.
   * @param {() => unknown} call
   */
  async failure(call) {
    try {
      await call();
    } catch (error) {
      const { name, message } = /** @type {Error} */ (error);
      return { .../** @type {any} */ (error), name, message };
    }
    throw new Error('The call was to fail.');
  },
};

async function main() {
  const role = isMainThread ? (cluster.isPrimary ? 'primary' : 'worker') : 'thread';
  const job = JSON.parse(String(process.env.TEST_PROGRAM))[role];
  await new Function('t', 'require', `return (${job})(t);`)(tools, require);
  if (role === 'worker') cluster.worker?.disconnect();
}

main();
