'use strict';

// Processes that are started each by itself, and do what a test tells them. They are killed at the end
// of the test, whatever becomes of it.

const { fork } = require('node:child_process');
const { randomBytes } = require('node:crypto');
const fs = require('node:fs');
const path = require('node:path');

const PROGRAM = path.join(__dirname, 'group-peer.js');

/** @typedef {import('./group-peer.js').Job} Job */
/** @typedef {import('node:test').TestContext} TestContext */
/**
 * @typedef {object} Options
 * @property {string} [name] what it shares by, said to configure()
 * @property {NodeJS.ProcessEnv} [env]
 * @property {number} [uid]
 */

/** A name that no other run has. */
function newName() {
  return `test:${process.pid}:${randomBytes(4).toString('hex')}`;
}

/** A process. */
class Peer {
  /** Whether it has ended. */
  isOver = false;

  #child;
  #id = 0;
  /** @type {Map<number, { resolve: (value: any) => void, reject: (error: Error) => void }>} */
  #waiting = new Map();
  #ready;
  #ended;

  /** @param {Options} options */
  constructor({ env, uid }) {
    this.#child = fork(PROGRAM, {
      env: { ...withoutPm2(), ...env },
      serialization: 'advanced',
      ...(uid === undefined ? {} : { uid, gid: uid, cwd: '/' }),
    });
    this.#ended = new Promise((resolve) => {
      this.#child.once('exit', (code, signal) => {
        this.isOver = true;
        const error = new Error(`The process ended with ${code ?? signal}.`);
        for (const { reject } of this.#waiting.values()) reject(error);
        this.#waiting.clear();
        resolve(code ?? signal);
      });
    });
    this.#ready = new Promise((resolve) => {
      this.#child.on('message', (/** @type {any} */ { isReady, id, value, error }) => {
        if (isReady) {
          resolve(undefined);
          return;
        }
        const waiting = this.#waiting.get(id);
        this.#waiting.delete(id);
        if (error === undefined) waiting?.resolve(value);
        else waiting?.reject(Object.assign(new Error(error.message), error));
      });
    });
  }

  get pid() {
    return Number(this.#child.pid);
  }

  /**
   * Has it run a function, which sees nothing of the test but `input`.
   * @param {Job} job
   * @param {unknown} [input]
   * @returns {Promise<any>}
   */
  async do(job, input) {
    await this.#ready;
    const id = ++this.#id;
    return new Promise((resolve, reject) => {
      this.#waiting.set(id, { resolve, reject });
      this.#child.send({ id, source: String(job), input }, (error) => {
        if (error) reject(error);
      });
    });
  }

  /** Kills it, and waits until it is dead. */
  async kill() {
    this.#child.kill('SIGKILL');
    return this.#ended;
  }

  /** Lets it end by itself. */
  async end() {
    if (this.#child.connected) this.#child.disconnect();
    return this.#ended;
  }

  /** Stops it, and waits until it stands still. */
  async stop() {
    this.#child.kill('SIGSTOP');
    while (!['T', 't'].includes(stateOf(this.pid))) {
      await new Promise((resolve) => setTimeout(resolve, 1));
    }
  }

  goOn() {
    this.#child.kill('SIGCONT');
  }
}

/**
 * Starts a process. With a name, it joins on its own as soon as it can.
 * @param {TestContext} t
 * @param {Options} [options]
 */
async function start(t, options = {}) {
  const peer = new Peer(options);
  t.after(() => peer.kill());
  if (options.name !== undefined) {
    await peer.do(({ memory }, name) => memory.configure({ name }), options.name);
  }
  return peer;
}

/**
 * Starts processes, and has them join in their order.
 * @param {TestContext} t
 * @param {number} count
 * @param {Options} [options]
 */
async function startAll(t, count, { name, ...others } = {}) {
  const peers = await Promise.all(Array.from({ length: count }, () => start(t, others)));
  /** @type {Job} */
  const join = ({ memory }, name) => {
    if (name !== undefined) memory.configure({ name });
    return memory.size();
  };
  for (const peer of peers) await peer.do(join, name);
  return peers;
}

/**
 * That of them which hosts.
 * @param {Peer[]} peers
 */
async function hostOf(peers) {
  const pid = await peers[0].do(async ({ memory }) => (await memory.stats()).host);
  const host = peers.find((peer) => peer.pid === pid);
  if (host === undefined) throw new Error(`The host ${pid} is none of them.`);
  return { host, others: peers.filter((peer) => peer !== host) };
}

/** The letter by which the kernel tells what a process does. @param {number} pid */
function stateOf(pid) {
  const stat = fs.readFileSync(`/proc/${pid}/stat`, 'latin1');
  return stat.slice(stat.lastIndexOf(')') + 2)[0];
}

/** A test may itself run where these are set. */
function withoutPm2() {
  const { CLUSTER_SHARED_MEMORY_NAME, exec_mode, pm_id, ...env } = process.env;
  return env;
}

module.exports = { Peer, newName, start, startAll, hostOf };
