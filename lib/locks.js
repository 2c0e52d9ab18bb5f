'use strict';

// Locks by key: getLock, releaseLock, mutex. A ticket is the engine's number for a request; the lock
// id that programs get names the ticket and this very shared memory.
//
// A request is in line, behind all that were made before it in any process, when the call returns.
// As long as nobody else has asked since, further calls of mutex in this thread need no ticket of
// their own: they follow on the last one, and the lock is let go of when all of them are done.
//
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
/** So many followers that had their turn are forgotten at a time. */
const FORGET = 4096;

/** What the engine's unlock gives but for a ticket. */
const NOT_HELD = -1;

/** @typedef {(ticket: number | Promise<never>) => void} Settle */
/**
 * @typedef {object} Line a ticket of a mutex and those who follow on it
 * @property {string} name
 * @property {number} ticket
 * @property {Promise<number> | undefined} granted undefined: it was at once
 * @property {number} low where the lock stands
 * @property {number} high
 * @property {Settle[]} followers
 * @property {number} next the one whose turn it is next
 * @property {boolean} isOver whether the ticket was let go of
 */

class Locks {
  #join;
  #face;
  #look;
  /** @type {(error: any) => void} */
  #log;
  /** How the promise of each ticket that waits is settled. @type {Map<number, Settle>} */
  #waiting = new Map();
  /** The line of the mutex that was asked for last. @type {Line | undefined} */
  #last;
  /** The lines of locks that had to be waited for, by name. @type {Map<string, Line>} */
  #lines = new Map();
  /** Those who wait for a ticket, or on one. */
  #pending = 0;
  /** @type {NodeJS.Timeout | undefined} */
  #timer;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {() => import('../binding.d.ts').Face} face the engine for these keys, when attached
   * @param {() => void} look has the engine look at everything
   * @param {(error: any) => void} log hears of errors that no caller waits for
   */
  constructor(join, face, look, log) {
    this.#join = join;
    this.#face = face;
    this.#look = look;
    this.#log = log;
  }

  /** @param {unknown} key */
  get = async (key) => {
    return this.#idOf(await this.#ask(toKey(key)));
  };

  /** @type {(key: unknown, id: unknown) => Promise<string>} */
  release = async (key, id) => {
    const name = toKey(key);
    if (!this.#join.attached) await this.#join.whenAttached(() => {});
    const ticket = this.#ticketOf(id);
    const isDone = ticket > 0 && (await this.#release(name, ticket));
    return isDone ? 'OK' : `Failed. LockId:${textOf(id)} does not match ${name}'s lockId.`;
  };

  /** @type {(key: unknown, fn: unknown) => Promise<unknown>} */
  mutex = async (key, fn) => {
    const name = toKey(key);
    if (typeof fn !== 'function') throw wrongType('"fn" argument', 'of type function', fn);
    if (!this.#join.attached) return this.#join.whenAttached(() => this.mutex(name, fn));
    let line = this.#lineToFollow(name);
    if (line !== undefined) {
      await this.#follow(line);
    } else {
      line = this.#newLine(name);
      // Also if the lock is free: the function is not called before this one has returned.
      await line.granted;
    }
    try {
      return await fn();
    } finally {
      this.#passOn(line);
    }
  };

  /**
   * A request has been granted; whether it was one of these.
   * @param {number} ticket
   */
  grant(ticket) {
    const settle = this.#waiting.get(ticket);
    if (settle === undefined) return false;
    this.#waiting.delete(ticket);
    this.#expectLess();
    settle(ticket);
    return true;
  }

  /** @param {Error} error the outcome of all requests that wait */
  close(error) {
    clearInterval(this.#timer);
    const lines = new Set(this.#lines.values());
    if (this.#last !== undefined) lines.add(this.#last);
    const following = [...lines].flatMap((line) => line.followers.splice(line.next));
    for (const settle of [...this.#waiting.values(), ...following]) settle(Promise.reject(error));
    this.#waiting.clear();
  }

  /**
   * The line that a further call may follow on: nobody else has asked since.
   * @param {string} name
   */
  #lineToFollow(name) {
    const last = this.#last;
    const line = last?.name === name || this.#lines.size === 0 ? last : this.#lines.get(name);
    if (line === undefined || line.isOver || line.name !== name) return undefined;
    return this.#face().isLast(line.ticket, line.low, line.high) ? line : undefined;
  }

  /** @param {string} name @returns {Line} */
  #newLine(name) {
    const asked = this.#face().lock(name);
    const [, low, high] = this.#join.status;
    const granted = asked > 0 ? undefined : this.#wait(-asked);
    const ticket = Math.abs(asked);
    const line = { name, ticket, low, high, granted, followers: [], next: 0, isOver: false };
    this.#last = line;
    if (asked < 0) this.#lines.set(name, line);
    return line;
  }

  /** @param {Line} line */
  #follow(line) {
    this.#expectMore();
    return new Promise((resolve) => {
      line.followers.push(resolve);
    });
  }

  /** Whose turn it is goes on; without one, the ticket is let go of. @param {Line} line */
  #passOn(line) {
    const settle = line.followers[line.next];
    if (settle === undefined) {
      line.isOver = true;
      if (this.#lines.size > 0 && this.#lines.get(line.name) === line) {
        this.#lines.delete(line.name);
      }
      this.#releaseInTime(line.name, line.ticket);
      return;
    }
    line.next += 1;
    if (line.next === FORGET) {
      line.followers.splice(0, FORGET);
      line.next = 0;
    }
    this.#expectLess();
    settle(line.ticket);
  }

  /**
   * The ticket, at once if the lock is free.
   * @param {string} name
   * @returns {number | Promise<number>}
   */
  #ask(name) {
    if (this.#join.attached) {
      const asked = this.#face().lock(name);
      return asked > 0 ? asked : this.#wait(-asked);
    }
    return this.#join.whenAttached(() => this.#ask(name));
  }

  /** @param {number} ticket @returns {Promise<number>} */
  #wait(ticket) {
    this.#expectMore();
    return new Promise((resolve) => {
      this.#waiting.set(ticket, resolve);
    });
  }

  #expectMore() {
    this.#pending += 1;
    this.#timer ??= setInterval(() => this.#lookAgain(), LOOK_AGAIN_MS);
    this.#timer.ref();
  }

  #expectLess() {
    this.#pending -= 1;
    if (this.#pending === 0) this.#timer?.unref();
  }

  #lookAgain() {
    if (this.#pending > 0) {
      this.#look();
    } else {
      clearInterval(this.#timer);
      this.#timer = undefined;
    }
  }

  /**
   * Lets go of a lock; the outcome of what was done under it does not depend on how that goes.
   * @param {string} name
   * @param {number} ticket
   */
  #releaseInTime(name, ticket) {
    try {
      const release = this.#release(name, ticket);
      if (typeof release !== 'boolean') release.catch(this.#log);
    } catch (error) {
      this.#log(error);
    }
  }

  /**
   * Whether the ticket held the lock, which it does not any more. At once, unless a process is
   * stopped in the middle of a change: then in the background, when it goes on or dies.
   * @param {string} name
   * @param {number} ticket
   * @returns {boolean | Promise<boolean>}
   */
  #release(name, ticket) {
    const isDone = this.#tryRelease(name, ticket, PATIENCE_MS);
    return isDone ?? this.#releaseLater(name, ticket);
  }

  /** @type {(name: string, ticket: number) => Promise<boolean>} */
  async #releaseLater(name, ticket) {
    for (;;) {
      await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      const isDone = this.#tryRelease(name, ticket, 0);
      if (isDone !== undefined) return isDone;
    }
  }

  /**
   * As #release; undefined if it cannot be done now.
   * @type {(name: string, ticket: number, patienceMs: number) => boolean | undefined}
   */
  #tryRelease(name, ticket, patienceMs) {
    try {
      const next = this.#face().unlock(name, ticket, patienceMs);
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
