'use strict';

// ioredis on a Unix socket of a Redis that each primary starts, on the primary's CPU and without
// persistence. Values are JSON, as programs do it. Automatic pipelining is off: calls made at once
// share a write as it is, and one call after the other only waits longer with it.

const { spawn, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { load, versionOf } = require('../install.js');

const SERVER = 'redis-server';
const MEMORY_ONLY = ['--port', '0', '--save', '', '--appendonly', 'no'];

/** @param {string} room */
const socketIn = (room) => path.join(room, 'redis.sock');

/** @param {string} room */
async function open(room) {
  const { Redis } = load('ioredis');
  const redis = new Redis(socketIn(room), { retryStrategy: () => 10 });
  // Until the server is there, each try is such an event.
  redis.on('error', () => {});
  await redis.ping();
  const decoded = (/** @type {string | null} */ text) =>
    text === null ? undefined : JSON.parse(text);
  return {
    get: async (/** @type {string} */ key) => decoded(await redis.get(key)),
    set: (/** @type {string} */ key, /** @type {any} */ value) =>
      redis.set(key, JSON.stringify(value)),
    incr: (/** @type {string} */ key) => redis.incr(key),
    getMany: async (/** @type {string[]} */ keys) => (await redis.mget(keys)).map(decoded),
    setMany: (/** @type {[string, any][]} */ entries) =>
      redis.mset(entries.flatMap(([key, value]) => [key, JSON.stringify(value)])),
  };
}

/** @param {string} room */
async function primary(room) {
  const args = ['--unixsocket', socketIn(room), '--dir', room, ...MEMORY_ONLY];
  const server = spawn(SERVER, args, { stdio: 'ignore' });
  process.on('exit', () => server.kill());
  const operations = await open(room);
  return { ...operations, elsewhere: () => pssOf(Number(server.pid)) };
}

/** @param {number} pid */
function pssOf(pid) {
  const text = fs.readFileSync(`/proc/${pid}/smaps_rollup`, 'latin1');
  return Number(/^Pss:\s+(\d+) kB/m.exec(text)?.[1]) * 1024;
}

/** As in: 7.0.15. */
function serverVersion() {
  const { stdout } = spawnSync(SERVER, ['--version'], { encoding: 'utf8' });
  return /v=(\S+)/.exec(stdout ?? '')?.[1];
}

/** @type {import('./index.js').Peer} */
module.exports = {
  name: 'redis',
  family: 'Redis',
  module: 'ioredis',
  has: ['get', 'set', 'incr', 'getMany', 'setMany'],
  how: 'ioredis on a Unix socket, no persistence',
  stores: 'json',
  lacks: () =>
    serverVersion() === undefined ? `there is no ${SERVER} on this machine` : undefined,
  version: () => `${serverVersion()} with ioredis ${versionOf('ioredis')}`,
  primary,
  worker: open,
};
