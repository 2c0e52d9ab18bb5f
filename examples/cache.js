'use strict';

// A cache in front of something slow, shared by all workers. When many ask at once for what is not
// there yet, one of them makes it and the others wait for that one, in whichever process they are.
//
//     node examples/cache.js

const cluster = require('node:cluster');
const { setTimeout: sleep } = require('node:timers/promises');
const memory = require('cluster-shared-memory');

const WORKERS = 4;
const QUESTIONS = 50;
const CITIES = ['Berlin', 'Lima', 'Osaka'];

/** Stands for a query, a rendering, a call of somebody else's service. @param {string} city */
async function slowReport(city) {
  await memory.incr('made');
  await sleep(300);
  return { city, text: `All is well in ${city}.` };
}

/**
 * @template T
 * @param {string} key
 * @param {() => Promise<T>} make
 * @returns {Promise<T>}
 */
async function cached(key, make) {
  const found = await memory.getLRU(key);
  if (found !== undefined) return found;
  return memory.mutex(`make:${key}`, async () => {
    // Whoever had the mutex before may have made it.
    const made = await memory.getLRU(key);
    if (made !== undefined) return made;
    const value = await make();
    await memory.setLRU(key, value);
    return value;
  });
}

async function worker() {
  const questions = Array.from({ length: QUESTIONS }, async (_, i) => {
    const city = CITIES[i % CITIES.length];
    const report = await cached(`report:${city}`, () => slowReport(city));
    if (report.city === city) await memory.incr('answers');
  });
  await Promise.all(questions);
  process.disconnect?.();
}

function primary() {
  memory.setLRUOptions({ max: 1000, maxAge: 60_000 });
  for (let i = 0; i < WORKERS; i += 1) cluster.fork();
  let running = WORKERS;
  cluster.on('exit', async () => {
    running -= 1;
    if (running > 0) return;
    const [answers, made] = [await memory.get('answers'), await memory.get('made')];
    console.log(`${answers} questions of ${WORKERS} workers were answered`);
    console.log(`${made} reports were made, one for each city`);
  });
}

if (cluster.isPrimary) primary();
else worker();
