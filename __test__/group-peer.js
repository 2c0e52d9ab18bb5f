'use strict';

// The main file of a process of group-family.js, and of its cluster's workers: runs the functions that
// it is sent, one after the other, and answers each with its result. It ends when its parent lets go
// of it.

const cluster = require('node:cluster');
const fs = require('node:fs');
const path = require('node:path');
const { Worker } = require('node:worker_threads');

const ROOT = path.join(__dirname, '..');
const PACKAGE = path.join(ROOT, 'index.js');

/** @typedef {(t: typeof tools, input?: any) => unknown} Job */

const tools = {
  cluster,

  /** What functions leave for those that come after them. @type {Record<string, any>} */
  left: {},

  /**
   * The package; loaded where a function first mentions it.
   * @returns {typeof import('../index.js')}
   */
  get memory() {
    return require(PACKAGE);
  },

  /** Forgets the package, as a reset of modules does: what is loaded next is another copy. */
  forget() {
    for (const name of Object.keys(require.cache)) {
      if (!name.startsWith(ROOT) || name.startsWith(__dirname)) continue;
      delete require.cache[name];
    }
  },

  /** @param {number} ms */
  sleep: (ms) => new Promise((resolve) => setTimeout(resolve, ms)),

  /** @param {() => unknown} condition */
  async until(condition) {
    while (!(await condition())) await tools.sleep(2);
  },

  /**
   * What an error was, as far as it can be told to the test.
   * @param {() => unknown} call
   */
  async failure(call) {
    try {
      await call();
    } catch (error) {
      return whatOf(error);
    }
    throw new Error('The call was to fail.');
  },

  /**
   * Runs a program in a thread, which says one thing.
   * @param {string} source
   */
  thread(source) {
    const text = `const memory = require(${JSON.stringify(PACKAGE)});
      const { parentPort } = require('node:worker_threads');
      const say = (value) => parentPort.postMessage(value);
      (async () => { ${source} })();`;
    const thread = new Worker(text, { eval: true });
    return new Promise((resolve, reject) => {
      thread.once('message', resolve).once('error', reject);
    });
  },

  /** Forks a worker of the cluster that runs functions too. */
  async fork() {
    const worker = cluster.fork();
    await new Promise((resolve) => worker.once('message', resolve));
    return worker;
  },

  /**
   * Has a worker run a function.
   * @param {import('node:cluster').Worker} worker
   * @param {Job} job
   * @param {unknown} [input]
   * @returns {Promise<any>}
   */
  ask(worker, job, input) {
    return new Promise((resolve, reject) => {
      worker.once('message', ({ value, error }) => {
        if (error === undefined) resolve(value);
        else reject(Object.assign(new Error(error.message), error));
      });
      worker.send({ source: String(job), input });
    });
  },

  /** Descriptors that this process has open. */
  files: () => fs.readdirSync('/proc/self/fd').length,
};

/** @param {any} error */
function whatOf(error) {
  return { ...error, name: error?.name, message: error?.message ?? String(error) };
}

/** @param {{ id?: number, source: string, input: unknown }} order */
async function obey({ id, source, input }) {
  const send = /** @type {(message: object) => void} */ ((message) => process.send?.(message));
  try {
    const job = new Function('require', `return (${source});`)(require);
    send({ id, value: await job(tools, input) });
  } catch (error) {
    send({ id, error: whatOf(error) });
  }
}

process.on('message', (order) => obey(/** @type {any} */ (order)));
process.on('disconnect', () => process.exit());
process.send?.({ isReady: true });
