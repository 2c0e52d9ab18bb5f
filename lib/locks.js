'use strict';

// Locks by key: getLock, releaseLock, mutex. A ticket is the engine's number for a request; the lock
// id that programs get names the ticket and this very shared memory.
//
// A request is in line, behind all that were made before it in any process, when the call returns.
// Only a request that waits keeps the process alive: by the timer that looks after it as well, in
// case that the process that granted it was killed before it could tell.

const { setInterval, clearInterval, setTimeout } = require('node:timers');
const { wrongType } = require('./errors.js');
const { toKey } = require('./keys.js');

const LOOK_AGAIN_MS = 100;
/** How long a release waits for a process that is stopped in the middle of a change. */
const PATIENCE_MS = 1000;
const RETRY_MS = 50;

/** What the engine's unlock gives but for a ticket. */
const NOT_HELD = -1;

/**
 * @typedef {object} Waiting
 * @property {(ticket: number) => void} resolve
 * @property {(error: Error) => void} reject
 */

class Locks {
  #join;
  #engine;
  #look;
  /** @type {Map<number, Waiting>} */
  #waiting = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {() => void} look has the engine look at everything
   */
  constructor(join, look) {
    this.#join = join;
    this.#engine = join.engine;
    this.#look = look;
  }

  /** @param {unknown} key */
  get = async (key) => {
    const ticket = await this.#ask(toKey(key));
    return `${ticket.toString(36)}-${this.#join.nonce}`;
  };

  /** @type {(key: unknown, id: unknown) => Promise<string>} */
  release = async (key, id) => {
    const name = toKey(key);
    if (!this.#join.attached) await this.#join.whenAttached(() => {});
    const ticket = this.#ticketOf(id);
    const isDone = ticket > 0 && (await this.#release(name, ticket));
    return isDone ? 'OK' : `Failed. LockId:${String(id)} does not match ${name}'s lockId.`;
  };

  /** @type {(key: unknown, fn: unknown) => Promise<unknown>} */
  mutex = async (key, fn) => {
    const name = toKey(key);
    if (typeof fn !== 'function') throw wrongType('"fn" argument', 'of type function', fn);
    const asked = this.#ask(name);
    const ticket = typeof asked === 'number' ? asked : await asked;
    try {
      return await fn();
    } finally {
      // Who comes next need not wait for the caller, nor the caller for them.
      const release = this.#release(name, ticket);
      if (release !== true) await release;
    }
  };

  /**
   * A request has been granted.
   * @param {number} ticket
   */
  grant(ticket) {
    const waiting = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    if (this.#waiting.size === 0) this.#timer?.unref();
    waiting?.resolve(ticket);
  }

  /** @param {Error} error the outcome of all requests that wait */
  close(error) {
    clearInterval(this.#timer);
    for (const { reject } of this.#waiting.values()) reject(error);
    this.#waiting.clear();
  }

  /**
   * The ticket, at once if the lock is free.
   * @param {string} name
   * @returns {number | Promise<number>}
   */
  #ask(name) {
    if (this.#join.attached) {
      const asked = this.#engine.lock(name);
      return asked > 0 ? asked : this.#wait(-asked);
    }
    return this.#join.whenAttached(() => this.#ask(name));
  }

  /** @param {number} ticket @returns {Promise<number>} */
  #wait(ticket) {
    this.#timer ??= setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS);
    this.#timer.ref();
    return new Promise((resolve, reject) => {
      this.#waiting.set(ticket, { resolve, reject });
    });
  }

  #lookAgain() {
    if (this.#waiting.size > 0) {
      this.#look();
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  /**
   * Whether the ticket held the lock, which it does not any more.
   * @param {string} name
   * @param {number} ticket
   * @returns {boolean | Promise<boolean>}
   */
  #release(name, ticket, patienceMs = PATIENCE_MS) {
    let next;
    try {
      next = this.#engine.unlock(name, ticket, patienceMs);
    } catch (error) {
      // A process is stopped in the middle of a change: in the background, until it goes on or dies.
      if (/** @type {any} */ (error).code === 'ERR_BUSY') return this.#releaseLater(name, ticket);
      throw error;
    }
    if (next > 0) this.grant(next);
    return next !== NOT_HELD;
  }

  /** @param {string} name @param {number} ticket @returns {Promise<boolean>} */
  async #releaseLater(name, ticket) {
    await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
    return this.#release(name, ticket, 0);
  }

  /** @param {unknown} id */
  #ticketOf(id) {
    const [ticket, nonce] = String(id).split('-');
    return nonce === this.#join.nonce ? Number.parseInt(ticket, 36) : 0;
  }
}

module.exports = { Locks };
