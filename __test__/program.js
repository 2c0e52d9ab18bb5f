'use strict';

// The main file of every program that helpers.js runs: finds its role and calls the function of
// that role, which is given the tools below. No process is ended by force unless a function does
// it: it must end by itself once its function is done.

const cluster = require('node:cluster');
const fs = require('node:fs');
const { once } = require('node:events');
const { inspect } = require('node:util');
const v8 = require('node:v8');
const { Worker, isMainThread, threadId, workerData } = require('node:worker_threads');

/** @typedef {(t: typeof tools) => unknown} Job */

const PATIENCE_MS = 10_000;

const SHOWN = { depth: 9, compact: true, breakLength: Number.POSITIVE_INFINITY };

/** A thread cannot tell by itself. */
const PROCESS = isMainThread ? (cluster.isPrimary ? 'primary' : 'worker') : workerData?.process;
const PLACE = isMainThread ? PROCESS : `thread of the ${PROCESS}`;

const tools = {
  cluster,
  threadId,

  /** Where this runs: in the primary, in a worker, or in a thread of one of them. */
  place: PLACE,

  /**
   * The package; loaded where a function first mentions it, and not before.
   * @returns {typeof import('../index.js')}
   */
  get memory() {
    return require(process.env.TEST_PACKAGE ?? '../index.js');
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
   * Waits until a condition holds.
   * @param {() => unknown} condition
   */
  async until(condition) {
    while (!(await condition())) await tools.sleep(2);
  },

  /**
   * Runs another function of the program here.
   * @param {string} name
   * @returns {unknown}
   */
  job(name) {
    const source = JSON.parse(String(process.env.TEST_PROGRAM))[name];
    return new Function('t', 'require', `return (${source})(t);`)(tools, require);
  },

  /**
   * Forks a worker that runs a function of this name.
   * @param {string} [name]
   * @param {Record<string, unknown>} [env]
   */
  fork: (name = 'worker', env) => cluster.fork({ ...env, TEST_ROLE: name }),

  /**
   * Starts a thread that runs a function of this name.
   * @param {string} [name]
   */
  startThread: (name = 'thread') =>
    new Worker(__filename, { workerData: { job: name, process: PROCESS } }),

  /**
   * Kills a worker at once, and waits until it is dead.
   * @param {import('node:cluster').Worker} worker
   */
  async kill(worker) {
    process.kill(Number(worker.process.pid), 'SIGKILL');
    await once(worker, 'exit');
  },

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
    const [code] = await once(tools.startThread(), 'exit');
    if (code !== 0) throw new Error(`A thread ended with ${code}.`);
  },

  /**
   * A value as text.
   * @param {unknown} value
   */
  show: (value) =>
    value instanceof Error ? `${value.name}: ${value.message}` : inspect(value, SHOWN),

  /**
   * What came of a call, as text: its value, its error, or `never`.
   * @param {() => unknown} call
   * @param {number} [oldPatienceMs] after how long it is never where 1.1.5 runs
   */
  async outcome(call, oldPatienceMs = PATIENCE_MS) {
    const patienceMs = process.env.TEST_PACKAGE ? oldPatienceMs : PATIENCE_MS;
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const late = new Promise((resolve) => {
      timer = setTimeout(() => resolve('never'), patienceMs);
    });
    const value = (async () => tools.show(await call()))();
    const error = value.catch(
      (/** @type {any} */ { name, code, message }) => `${name} ${code ?? message}`,
    );
    return Promise.race([error, late]).finally(() => clearTimeout(timer));
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
  if (!isMainThread) {
    await tools.job(workerData?.job ?? 'thread');
  } else if (cluster.isPrimary) {
    const serialization = /** @type {any} */ (process.env.TEST_SERIALIZATION);
    if (serialization) cluster.setupPrimary({ serialization });
    await tools.job('primary');
  } else {
    await tools.job(process.env.TEST_ROLE ?? 'worker');
    cluster.worker?.disconnect();
  }
}

main();
