'use strict';

// News for all workers at once: feature flags that are switched while everybody runs. A worker reads
// its own copy, which costs nothing, and hears of each change.
//
//     node examples/broadcast.js

const cluster = require('node:cluster');
const { setTimeout: sleep } = require('node:timers/promises');
const memory = require('cluster-shared-memory');

const WORKERS = 3;

async function worker() {
  const name = `worker ${cluster.worker?.id}`;
  /** @type {{ newCheckout: boolean, closing: boolean } | undefined} */
  let flags;

  // First listen, then get: so no change falls between the two, and what was heard is newer.
  memory.listen('flags', (changed) => {
    flags = changed;
    console.log(`${name} hears: ${JSON.stringify(flags)}`);
    if (changed?.closing) process.disconnect?.();
  });
  const first = await memory.get('flags');
  flags ??= first;
  console.log(`${name} begins with: ${JSON.stringify(flags)}`);
  await memory.incr('ready');
}

async function primary() {
  await memory.set('flags', { newCheckout: false, closing: false });
  for (let i = 0; i < WORKERS; i += 1) cluster.fork();
  while ((await memory.get('ready')) !== WORKERS) await sleep(20);

  // Any process may do this: a worker that serves an admin page, for example.
  await memory.set('flags', { newCheckout: true, closing: false });
  await sleep(200);
  await memory.set('flags', { newCheckout: true, closing: true });
}

if (cluster.isPrimary) primary();
else worker();
