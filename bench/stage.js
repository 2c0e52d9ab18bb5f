'use strict';

// A peer's processes as the bench sees them: one primary with its workers, which idle unless asked.
// Whatever state they are in, they end with the stage, and with the bench.

const { fork } = require('node:child_process');
const { once } = require('node:events');
const path = require('node:path');
const { pin } = require('./cpus.js');
const { Line } = require('./line.js');
const { makeRoom, removeRoom } = require('./rooms.js');

const HOST = path.join(__dirname, 'host.js');
/** A peer that does not answer for so long hangs. */
const PATIENCE_MS = 20_000;

/** @type {Set<InstanceType<typeof Stage>>} */
const stages = new Set();

class Stage {
  #host;
  #line;
  #room = makeRoom();
  /** What has been prepared. @type {Set<unknown>} */
  #ready = new Set();
  /** Whether every process is where it should be. */
  pinned = false;

  /** @param {import('./peers/index.js').Peer} peer */
  constructor(peer) {
    // A group of its own, so that its end is the end of the workers too.
    this.#host = fork(HOST, [peer.name, this.#room], { detached: true });
    this.#line = new Line(this.#host, 'the primary');
    stages.add(this);
  }

  /**
   * Sets the peer up in its primary and its workers.
   * @param {number[]} cpus one for each worker
   */
  async open(cpus) {
    const pinned = pin(this.#host.pid, 0);
    const opened = await this.primary('open', { cpus });
    this.pinned = pinned && opened.pinned;
  }

  /**
   * Prepares for a scenario, unless that has been done for another one.
   * @param {((stage: Stage) => Promise<unknown>) | undefined} prepare
   */
  async prepare(prepare) {
    if (prepare === undefined || this.#ready.has(prepare)) return;
    await prepare(this);
    this.#ready.add(prepare);
  }

  /**
   * Has the primary do a job.
   * @param {string} job
   * @param {unknown} [input]
   * @returns {Promise<any>}
   */
  async primary(job, input) {
    /** @type {NodeJS.Timeout | undefined} */
    let timer;
    const watchdog = new Promise((_, reject) => {
      const error = new Error(`hangs: no answer to "${job}" in ${PATIENCE_MS / 1000} s`);
      timer = setTimeout(reject, PATIENCE_MS, error);
    });
    try {
      return await Promise.race([this.#line.ask(job, input), watchdog]);
    } finally {
      clearTimeout(timer);
    }
  }

  /**
   * Has workers do a job, all at once.
   * @param {string} job
   * @param {unknown} [input]
   * @param {number[]} [which] all, if not given
   * @returns {Promise<any[]>}
   */
  workers(job, input, which) {
    return this.primary('workers', { job, input, which });
  }

  /**
   * Has one worker do a job.
   * @param {number} index
   * @param {string} job
   * @param {unknown} [input]
   */
  async worker(index, job, input) {
    const [result] = await this.workers(job, input, [index]);
    return result;
  }

  /** Ends all processes. */
  async end() {
    const { exitCode, signalCode } = this.#host;
    const ended = exitCode === null && signalCode === null ? once(this.#host, 'exit') : undefined;
    this.kill();
    await ended;
  }

  kill() {
    if (!stages.delete(this)) return;
    try {
      process.kill(-Number(this.#host.pid), 'SIGKILL');
    } catch {
      // All of them have ended by themselves.
    }
    removeRoom(this.#room);
  }
}

process.on('exit', () => {
  for (const stage of stages) stage.kill();
});
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(signal, () => process.exit(1));

module.exports = { Stage };
