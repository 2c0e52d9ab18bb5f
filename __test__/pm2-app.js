'use strict';

// The app that the tests run under PM2. It requires the package and configures nothing, unless a test
// says how. Each process can be asked: it runs the function that it is sent, on a socket of its own
// (pm2-daemon.js is the other side).

const cluster = require('node:cluster');
const fs = require('node:fs');
const http = require('node:http');
const path = require('node:path');
const { setTimeout: sleep } = require('node:timers/promises');
const memory = require('../index.js');

/** @typedef {(t: typeof tools, require: NodeJS.Require) => unknown} Job */

/** How the files of this process begin. */
const MINE = path.join(String(process.env.TEST_FOLDER), `${process.env.TEST_AS}-${process.pid}`);
/** Increments between two pauses: many processes count on few processors. */
const AT_A_STRETCH = 8;

const configuration = process.env.TEST_CONFIGURATION;
if (configuration) memory.configure(JSON.parse(configuration));

let isLeaving = false;
/** @type {Promise<void>} */
let counting = Promise.resolve();

/** One more, in two steps between which nobody else may come. @returns {Promise<number>} */
function count() {
  return memory.mutex('count', async () => {
    const number = ((await memory.get('count')) ?? 0) + 1;
    await memory.set('count', number);
    return number;
  });
}

/** Counts until this process is asked to leave, and notes every number that was its own. */
async function countOn() {
  const notes = fs.openSync(`${MINE}.notes`, 'a');
  while (!isLeaving) {
    for (let i = 0; i < AT_A_STRETCH; i += 1) fs.writeSync(notes, `${await count()}\n`);
    await sleep(1);
  }
}

const tools = {
  memory,
  cluster,
  /** What the test handed over. @type {any} */
  input: undefined,
  count,

  /** Ends the counting that this process does by itself. */
  async rest() {
    isLeaving = true;
    await counting;
  },

  /**
   * Waits until a condition holds.
   * @param {() => unknown} condition
   */
  async until(condition) {
    while (!(await condition())) await sleep(5);
  },
};

/**
 * Runs a function that comes as text.
 * @param {http.IncomingMessage} request
 * @param {http.ServerResponse} response
 */
async function obey(request, response) {
  const { source, input } = JSON.parse(Buffer.concat(await request.toArray()).toString());
  try {
    const job = new Function('t', 'require', `return (${source})(t, require);`);
    const value = await job({ ...tools, input }, require);
    response.end(JSON.stringify({ value }));
  } catch (error) {
    const { name, code, message, stack } = /** @type {any} */ (error);
    response.end(JSON.stringify({ error: { name, code, message, stack } }));
  }
}

/** @param {http.Server} server @param {import('node:net').ListenOptions} options */
const listen = (server, options) =>
  new Promise((/** @type {(value?: unknown) => void} */ resolve) =>
    server.listen(options, resolve),
  );

async function main() {
  const counts = http.createServer(async (_request, response) => response.end(`${await count()}`));
  if (cluster.isPrimary) {
    for (let i = 0; i < Number(process.env.TEST_WORKERS ?? 0); i += 1) cluster.fork();
  }
  if (process.env.TEST_COUNTS) counting = countOn();
  if (process.env.TEST_LISTENS) await listen(counts, { path: process.env.TEST_LISTENS });
  // Not shared with the other processes of the app. Under another name until it can be asked.
  await listen(http.createServer(obey), { path: MINE, exclusive: true });
  fs.renameSync(MINE, `${MINE}.socket`);
  process.send?.('ready');

  if (process.env.TEST_LEAVES === 'at once') return;
  process.once('SIGINT', async () => {
    await tools.rest();
    if (cluster.worker) cluster.worker.disconnect();
    else leave();
  });
  process.once('disconnect', leave);
}

async function leave() {
  await tools.until(() => Object.keys(cluster.workers ?? {}).length === 0);
  await memory.close();
  process.exit();
}

main();
