'use strict';

// The primary of a peer: sets it up, forks its workers, passes orders on to them, and does jobs of
// the scenarios itself.

const cluster = require('node:cluster');
const { once } = require('node:events');
const path = require('node:path');
const { block, sleepUntil } = require('./clock.js');
const { pin } = require('./cpus.js');
const { Line, serve } = require('./line.js');
const { peerNamed } = require('./peers/index.js');
const { removeRoom } = require('./rooms.js');
const { jobs, hostJobs } = require('./scenarios/index.js');

/** @typedef {import('./peers/index.js').Operations} Operations */

const [, , name, room] = process.argv;
const peer = peerNamed(name);
/** @type {Operations} */
let operations;
/** @type {InstanceType<typeof Line>[]} */
const workers = [];

/**
 * Forks a worker and pins it.
 * @param {number} cpu
 * @param {string} [name]
 */
async function fork(cpu, name = 'a worker') {
  const worker = cluster.fork();
  const line = new Line(worker, name);
  await once(worker, 'online');
  const pinned = pin(worker.process.pid, cpu);
  return { line, pinned, process: worker.process };
}

/**
 * Sets the peer up, and forks its workers.
 * @param {{ cpus: number[] }} input
 */
async function open({ cpus }) {
  operations = await peer.primary(room);
  const forked = await Promise.all(cpus.map((cpu, index) => fork(cpu, `worker ${index}`)));
  workers.push(...forked.map(({ line }) => line));
  return { pinned: forked.every(({ pinned }) => pinned) };
}

/**
 * What jobs with workers are given.
 * @typedef {{ fork: typeof fork, workers: InstanceType<typeof Line>[] }} Host
 */

/** @type {Record<string, import('./line.js').Job>} */
const own = {
  open,

  /** Has workers do a job, all at once. */
  workers: ({ job, input, which }) =>
    Promise.all(
      workers
        .filter((_, index) => which?.includes(index) ?? true)
        .map((line) => line.ask(job, input)),
    ),

  /** Keeps this process busy. */
  block: async ({ from, until }) => {
    await sleepUntil(from);
    block(until);
  },
};

cluster.setupPrimary({ exec: path.join(__dirname, 'worker.js'), args: [name, room] });
for (const [order, job] of Object.entries(jobs)) own[order] = (input) => job(operations, input);
for (const [order, job] of Object.entries(hostJobs)) {
  own[order] = (input) => job({ fork, workers }, input);
}

// The bench has ended without ending this: its workers go with it, and their room is left.
process.on('disconnect', () => {
  removeRoom(room);
  process.exit();
});
serve(own);
