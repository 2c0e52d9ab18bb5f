'use strict';

// So many requests for each user in each window of time, however the requests are spread over the
// workers: one incr each, no lock.
//
//     node examples/rate-limit.js

const cluster = require('node:cluster');
const { setTimeout: sleep } = require('node:timers/promises');
const memory = require('cluster-shared-memory');

const WORKERS = 3;
const LIMIT = 10;
const WINDOW_MS = 1000;
const REQUESTS = 20;
const ROUNDS = 3;

/** @type {(user: string, window: number) => Promise<boolean>} */
async function isAllowed(user, window) {
  // It ends with its window; the increments after the first do not put that off.
  const used = await memory.incr(`used:${user}:${window}`, 1, { ttl: WINDOW_MS });
  return used <= LIMIT;
}

const windowNow = () => Math.floor(Date.now() / WINDOW_MS);

async function worker() {
  for (let round = 0; round < ROUNDS; round += 1) {
    // A little later than the next window begins, for a timer may be a little early.
    await sleep(WINDOW_MS + 5 - (Date.now() % WINDOW_MS));
    for (let i = 0; i < REQUESTS; i += 1) {
      const window = windowNow();
      const result = (await isAllowed('tom', window)) ? 'allowed' : 'refused';
      await memory.incr(`${result}:${window}`);
    }
  }
  process.disconnect?.();
}

function primary() {
  const begin = windowNow();
  for (let i = 0; i < WORKERS; i += 1) cluster.fork();
  let running = WORKERS;
  cluster.on('exit', async () => {
    running -= 1;
    if (running > 0) return;
    for (let window = begin; window <= windowNow(); window += 1) {
      const allowed = (await memory.get(`allowed:${window}`)) ?? 0;
      const refused = (await memory.get(`refused:${window}`)) ?? 0;
      if (allowed > 0)
        console.log(`${allowed + refused} requests: ${allowed} allowed, ${refused} refused`);
    }
  });
}

if (cluster.isPrimary) primary();
else worker();
