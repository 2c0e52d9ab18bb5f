'use strict';

// The main job, to be watched: the workers of a cluster count together to some millions, one of
// them is killed in the middle, and not one count is lost.
//
//     npm start -- --count 50000000 --workers 4

const cluster = require('node:cluster');
const os = require('node:os');
const { parseArgs } = require('node:util');
const memory = require('..');

/** How many counts a worker does before it lets its event loop turn. */
const STRIDE = 1000;
const REPORT_MS = 250;

/** @typedef {{ pid: number, counted: number, longestMs: number }} Report */

function options() {
  const { values } = parseArgs({
    options: {
      count: { type: 'string', default: '25000000' },
      workers: { type: 'string', default: String(Math.max(2, os.cpus().length)) },
    },
  });
  const [count, workers] = [Number(values.count), Number(values.workers)];
  if (!Number.isSafeInteger(count) || !Number.isSafeInteger(workers) || workers < 2 || count < 1) {
    console.error('usage: npm start -- [--count N] [--workers N], with at least 2 workers');
    process.exit(2);
  }
  return { count, workers };
}

// A worker has a share of the counts. How far it has come stands in shared memory, so that its
// successor can go on from there.
async function count() {
  const id = Number(process.env.SHARE);
  const share = Number(process.env.SHARE_COUNT);
  const { sync } = memory;
  let done = sync.incr(`done:${id}`, 0);
  let longestMs = 0;
  let before = performance.now();
  while (done < share) {
    for (let i = 0; i < STRIDE && done < share; i += 1) {
      sync.incr('count');
      done = sync.incr(`done:${id}`);
      const now = performance.now();
      longestMs = Math.max(longestMs, now - before);
      before = now;
    }
    await memory.set(`worker:${id}`, { pid: process.pid, counted: done, longestMs });
    const others = Math.max(2, Number(process.env.WORKERS));
    await memory.get(`worker:${(id + 1) % others}`);
    await new Promise(setImmediate);
    before = performance.now();
  }
  process.disconnect?.();
}

/** @param {{ count: number, workers: number }} options */
async function watch({ count, workers }) {
  const started = performance.now();
  let kills = 0;
  let running = workers;
  /** @type {(id: number) => void} */
  const fork = (id) => {
    const share = Math.floor(count / workers) + (id < count % workers ? 1 : 0);
    const worker = cluster.fork({ SHARE: id, SHARE_COUNT: share, WORKERS: workers });
    worker.on('exit', (_code, signal) => {
      if (signal === null) {
        running -= 1;
        return;
      }
      line(
        `worker ${id} (pid ${worker.process.pid}) was killed by ${signal}; its successor goes on`,
      );
      fork(id);
    });
  };
  console.log(
    `${workers} processes count to ${count.toLocaleString('en')} together in shared memory`,
  );
  for (let id = 0; id < workers; id += 1) fork(id);

  while (running > 0) {
    await new Promise((resolve) => setTimeout(resolve, REPORT_MS));
    const counted = memory.sync.get('count') ?? 0;
    progress(counted, count, started);
    if (kills === 0 && counted > count / 3) {
      kills += 1;
      const victim = Object.values(cluster.workers ?? {})[0];
      victim?.process.kill('SIGKILL');
    }
  }
  report({ count, workers, kills, seconds: (performance.now() - started) / 1000 });
}

/** @param {{ count: number, workers: number, kills: number, seconds: number }} run */
async function report({ count, workers, kills, seconds }) {
  const counted = memory.sync.get('count');
  let noted = 0;
  let longestMs = 0;
  for (let id = 0; id < workers; id += 1) {
    noted += memory.sync.get(`done:${id}`);
    longestMs = Math.max(longestMs, memory.sync.get(`worker:${id}`).longestMs);
  }
  // A worker that is killed after it has counted and before it has noted it counts that one twice.
  const underWay = counted - noted;
  const right = noted === count && kills === 1 && underWay >= 0 && underWay <= kills;
  const rate = Math.round((2 * counted) / seconds / 1000);
  const { repairs, operations } = await memory.stats();
  line('');
  console.log(`counted           ${counted.toLocaleString('en')}`);
  console.log(
    `expected          ${count.toLocaleString('en')}` +
      (underWay === 1 ? ' and the one that was under way when its worker was killed' : ''),
  );
  console.log(`lost              ${Math.max(0, noted - counted)}`);
  console.log(`operations        ${rate.toLocaleString('en')} thousand a second`);
  console.log(`longest stall     ${longestMs.toFixed(1)} ms`);
  console.log(`killed            ${kills}, latches taken over from the dead: ${repairs}`);
  console.log(
    right ? 'All is right.' : `SOMETHING IS WRONG: noted ${noted} of ${operations.writes}`,
  );
  process.exitCode = right ? 0 : 1;
}

/** @type {(counted: number, count: number, started: number) => void} */
function progress(counted, count, started) {
  const width = 40;
  const full = Math.min(width, Math.floor((counted / count) * width));
  const bar = '#'.repeat(full).padEnd(width, '.');
  const seconds = ((performance.now() - started) / 1000).toFixed(1).padStart(5);
  const text = `${seconds} s [${bar}] ${counted.toLocaleString('en').padStart(13)}`;
  if (process.stdout.isTTY) process.stdout.write(`\r${text}`);
  else console.log(text);
}

/** @param {string} text */
function line(text) {
  console.log(process.stdout.isTTY ? `\n${text}` : text);
}

if (cluster.isPrimary) watch(options());
else count();
