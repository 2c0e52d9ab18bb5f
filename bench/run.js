'use strict';

// npm run bench: what an operation costs beside the floors of the same run.
//
// The primary is pinned to CPU 0, the workers from CPU 1 on. Quote ratios and not times: the machine
// may be busy with other things.

const cluster = require('node:cluster');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const memory = require('..');
const { median } = require('./measure.js');

const RACE_MS = 700;
const KILLS = 20;

const { values } = parseArgs({ options: { rounds: { type: 'string', default: '15' } } });
const ROUNDS = Number(values.rounds);

/** @type {(pid: number, cpu: number) => boolean} */
function pin(pid, cpu) {
  const list = String(cpu % os.cpus().length);
  return spawnSync('taskset', ['-a', '-c', '-p', list, String(pid)]).status === 0;
}

/** @param {number} cpu */
function fork(cpu) {
  const worker = cluster.fork();
  return new Promise((resolve) => {
    worker.once('online', () => {
      pin(Number(worker.process.pid), cpu);
      resolve(worker);
    });
  });
}

/** @type {(worker: import('node:cluster').Worker, order: object) => Promise<any>} */
function ask(worker, order) {
  return new Promise((resolve) => {
    worker.once('message', ({ result }) => resolve(result));
    worker.send(order);
  });
}

/** Millions of steps a second, all workers together. */
async function race(workers, name) {
  const from = Date.now() + 50;
  const order = { do: 'race', name, from, until: from + RACE_MS };
  const results = await Promise.all(workers.map((worker) => ask(worker, order)));
  return results.reduce((sum, { done }) => sum + done, 0) / RACE_MS / 1000;
}

/**
 * What a kill costs a survivor, in ms: its longest pause, and the part of it that lies behind the
 * kernel's report that the victim is dead.
 */
async function kill(survivor, name) {
  const victim = await fork(0);
  const { pid } = victim.process;
  const from = Date.now() + 200;
  ask(victim, { do: 'race', name, from, until: from + 10_000 });
  const race = ask(survivor, { do: 'race', name, from, until: from + 400 });
  await new Promise((resolve) => setTimeout(resolve, 300 + Math.random() * 200));
  victim.process.kill('SIGKILL');
  while (!isReported(pid));
  const reported = Number(process.hrtime.bigint()) / 1e6;
  const { pause } = await race;
  const covers = pause.from < reported && reported < pause.to;
  return { pause: pause.to - pause.from, after: covers ? pause.to - reported : 0 };
}

/** Whether the kernel says that a process has ended, be it reaped or not. */
function isReported(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return true;
  }
}

function row(name, figure, floor, target) {
  console.log(`${name.padEnd(34)}${figure.padStart(14)}  ${floor.padEnd(40)}${target}`);
}

/** @type {(ratio: number, most: number) => string} */
const atMost = (ratio, most) =>
  `${ratio.toFixed(2)}x of it, at most ${most}x: ${ratio <= most ? 'reached' : 'MISSED'}`;

function printAlone(took) {
  const ns = (name) => `${median(took[name]).toFixed(0)} ns`;
  const ratio = (name, parts) =>
    median(
      took[name].map(
        (each, round) => each / parts.reduce((sum, part) => sum + took[part][round], 0),
      ),
    );
  const call = 'empty Node-API call';
  for (const name of [call, 'JSON.parse', 'JSON.stringify', 'await a resolved promise']) {
    row(name, ns(name), '', '');
  }
  const parse = [call, 'JSON.parse'];
  const awaited = [...parse, 'await a resolved promise'];
  row(
    'sync get object',
    ns('sync get object'),
    'call + parse',
    atMost(ratio('sync get object', parse), 1.35),
  );
  row(
    'await get object',
    ns('await get object'),
    'call + parse + await',
    atMost(ratio('await get object', awaited), 2),
  );
  const stringify = [call, 'JSON.stringify'];
  row(
    'sync set object',
    ns('sync set object'),
    'call + stringify',
    `${ratio('sync set object', stringify).toFixed(2)}x of it`,
  );
  const awaitedSet = [...stringify, 'await a resolved promise'];
  row(
    'await set object',
    ns('await set object'),
    'call + stringify + await',
    `${ratio('await set object', awaitedSet).toFixed(2)}x of it`,
  );
  for (const name of ['sync get string', 'sync get number']) {
    const reached = median(took[name]) <= 110 ? 'reached' : 'MISSED';
    row(name, ns(name), '', `at most 110 ns: ${reached}`);
  }
  row('sync incr', ns('sync incr'), '', '');
}

async function main() {
  const pinned = pin(process.pid, 0);
  console.log(`node ${process.version}, ${os.cpus().length} x ${os.cpus()[0].model}`);
  console.log(
    pinned ? 'pinned: primary on CPU 0, workers from CPU 1 on\n' : 'NOT PINNED: no taskset\n',
  );
  const [first, second] = [await fork(1), await fork(2)];
  await ask(first, { do: 'prepare' });
  await ask(second, { do: 'prepare' });
  printAlone(await ask(first, { do: 'alone', rounds: ROUNDS }));

  const races = { one: [], two: [], mixedOne: [], mixedTwo: [] };
  for (let round = 0; round < 5; round += 1) {
    races.one.push(await race([first], 'incr'));
    races.two.push(await race([first, second], 'incr'));
    races.mixedOne.push(await race([first], 'mixed'));
    races.mixedTwo.push(await race([first, second], 'mixed'));
  }
  const million = (figures) => `${median(figures).toFixed(2)} M/s`;
  const two = median(races.two);
  row('incr, one worker', million(races.one), '', '');
  row(
    'incr, two workers, one key',
    million(races.two),
    '',
    `at least 8 M/s: ${two >= 8 ? 'reached' : 'MISSED'}`,
  );
  row('mixed 90/10, one worker', million(races.mixedOne), '', '');
  const gain = median(races.mixedTwo.map((each, round) => each / races.mixedOne[round]));
  row(
    'mixed 90/10, two workers',
    million(races.mixedTwo),
    'one worker',
    `${gain.toFixed(2)}x of it, at least 1.7x: ${gain >= 1.7 ? 'reached' : 'MISSED'}`,
  );

  const kills = [];
  for (let round = 0; round < KILLS; round += 1) kills.push(await kill(first, 'incr'));
  const pause = Math.max(...kills.map((each) => each.pause));
  const after = Math.max(...kills.map((each) => each.after));
  row(`longest pause in ${KILLS} kills`, `${pause.toFixed(1)} ms`, '', '');
  const within = after <= 20 ? 'reached' : 'MISSED';
  row('  behind the report of the death', `${after.toFixed(1)} ms`, '', `at most 20 ms: ${within}`);
  const { repairs, members } = await memory.stats();
  console.log(`\nlatches taken over from the dead: ${repairs}; members: ${members.length}`);
  for (const worker of [first, second]) worker.kill();
}

if (cluster.isPrimary) {
  cluster.setupPrimary({ exec: path.join(__dirname, 'worker.js') });
  main();
}
