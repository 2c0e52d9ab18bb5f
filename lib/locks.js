'use strict';

// Locks by key: getLock, releaseLock, mutex. A ticket is the engine's number for a request; the lock
// id that programs get names the ticket and this very shared memory.
//
// A request is in line, behind all that were made before it in any process, when the call returns.
// Only a request that waits keeps the process alive: by the timer that looks after it as well, in
// case that the process that granted it was killed before it could tell.

const { setInterval, clearInterval, setTimeout } = require('node:timers');
const { inspect } = require('node:util');
const { wrongType } = require('./errors.js');
const { toKey } = require('./keys.js');

const LOOK_AGAIN_MS = 100;
/** How long a release waits for a process that is stopped in the middle of a change. */
const PATIENCE_MS = 1000;
const RETRY_MS = 50;

/** What the engine's unlock gives but for a ticket. */
const NOT_HELD = -1;

/** @typedef {(ticket: number | Promise<never>) => void} Settle */
/** @typedef {import('../binding.js').Face} Face */

class Locks {
  #join;
  #engine;
  #look;
  /** @type {(error: any) => void} */
  #log;
  /** How the promise of each ticket that waits is settled. @type {Map<number, Settle>} */
  #waiting = new Map();
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {() => void} look has the engine look at everything
   * @param {(error: any) => void} log hears of errors that no caller waits for
   */
  constructor(join, look, log) {
    this.#join = join;
    this.#engine = join.engine;
    this.#look = look;
    this.#log = log;
  }

  /** @param {unknown} key */
  get = async (key) => {
    return this.#idOf(await this.#ask(this.#engine, toKey(key)));
  };

  /** @type {(key: unknown, id: unknown) => Promise<string>} */
  release = async (key, id) => {
    const name = toKey(key);
    if (!this.#join.attached) await this.#join.whenAttached(() => {});
    const ticket = this.#ticketOf(id);
    const isDone = ticket > 0 && (await this.#release(this.#engine, name, ticket));
    return isDone ? 'OK' : `Failed. LockId:${textOf(id)} does not match ${name}'s lockId.`;
  };

  /** @type {(key: unknown, fn: unknown) => Promise<unknown>} */
  mutex = (key, fn) => {
    try {
      const name = toKey(key);
      if (typeof fn !== 'function') throw wrongType('"fn" argument', 'of type function', fn);
      // Not awaited here: an async function around an async function costs a tenth of the whole.
      return this.within(this.#engine, name, /** @type {() => unknown} */ (fn));
    } catch (error) {
      return Promise.reject(error);
    }
  };

  /**
   * Runs a function while holding the lock of a key of a face of the engine.
   * @template T
   * @param {Face} face
   * @param {string} name
   * @param {() => T | PromiseLike<T>} fn
   * @returns {Promise<T>}
   */
  async within(face, name, fn) {
    const ticket = await this.#ask(face, name);
    try {
      return await fn();
    } finally {
      this.#releaseInTime(face, name, ticket);
    }
  }

  /**
   * A request has been granted.
   * @param {number} ticket
   */
  grant(ticket) {
    const settle = this.#waiting.get(ticket);
    this.#waiting.delete(ticket);
    if (this.#waiting.size === 0) this.#timer?.unref();
    settle?.(ticket);
  }

  /** @param {Error} error the outcome of all requests that wait */
  close(error) {
    clearInterval(this.#timer);
    for (const settle of this.#waiting.values()) settle(Promise.reject(error));
    this.#waiting.clear();
  }

  /**
   * The ticket, at once if the lock is free.
   * @param {Face} face
   * @param {string} name
   * @returns {number | Promise<number>}
   */
  #ask(face, name) {
    if (this.#join.attached) {
      const asked = face.lock(name);
      return asked > 0 ? asked : this.#wait(-asked);
    }
    return this.#join.whenAttached(() => this.#ask(face, name));
  }

  /** @param {number} ticket @returns {Promise<number>} */
  #wait(ticket) {
    this.#timer ??= setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS);
    this.#timer.ref();
    return new Promise((resolve) => {
      this.#waiting.set(ticket, resolve);
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
   * Lets go of a lock; the outcome of what was done under it does not depend on how that goes.
   * @param {Face} face
   * @param {string} name
   * @param {number} ticket
   */
  #releaseInTime(face, name, ticket) {
    try {
      const release = this.#release(face, name, ticket);
      if (typeof release !== 'boolean') release.catch(this.#log);
    } catch (error) {
      this.#log(error);
    }
  }

  /**
   * Whether the ticket held the lock, which it does not any more. At once, unless a process is
   * stopped in the middle of a change: then in the background, when it goes on or dies.
   * @param {Face} face
   * @param {string} name
   * @param {number} ticket
   * @returns {boolean | Promise<boolean>}
   */
  #release(face, name, ticket) {
    const isDone = this.#tryRelease(face, name, ticket, PATIENCE_MS);
    return isDone ?? this.#releaseLater(face, name, ticket);
  }

  /** @type {(face: Face, name: string, ticket: number) => Promise<boolean>} */
  async #releaseLater(face, name, ticket) {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      const isDone = this.#tryRelease(face, name, ticket, 0);
      if (isDone !== undefined) return isDone;
    }
  }

  /**
   * As #release; undefined if it cannot be done now.
   * @type {(face: Face, name: string, ticket: number, patienceMs: number) => boolean | undefined}
   */
  #tryRelease(face, name, ticket, patienceMs) {
    try {
      const next = face.unlock(name, ticket, patienceMs);
      if (next > 0) this.grant(next);
      return next !== NOT_HELD;
    } catch (error) {
      const { code } = /** @type {any} */ (error);
      if (code === 'ERR_BUSY') return undefined;
      // Whoever leaves lets go of everything.
      if (code === 'ERR_CLOSED') return true;
      throw error;
    }
  }

  /** The ticket that a lock id names; 0 if it is none. @param {unknown} id */
  #ticketOf(id) {
    if (typeof id !== 'string') return 0;
    const ticket = Number.parseInt(id, 36);
    return id === this.#idOf(ticket) ? ticket : 0;
  }

  /** @param {number} ticket */
  #idOf(ticket) {
    return `${ticket.toString(36)}-${this.#join.nonce}`;
  }
}

/** @param {unknown} id */
function textOf(id) {
  try {
    return String(id);
  } catch {
    return inspect(id);
  }
}

module.exports = { Locks };
