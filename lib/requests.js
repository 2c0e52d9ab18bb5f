'use strict';

// Requests to the primary: what only its functions can do. They go through the shared memory, not
// through its messages: the asker sets a key of the package's own that the primary listens to, and
// the primary answers under another one. Every set of a key is heard, so questions of many threads
// do not get into each other's way; each thread has one question under way, and what comes meanwhile
// goes along with the next. A question that is not answered within a second is asked again: the
// primary may have been too slow for the log. It knows which one it has answered last.

const { setInterval, clearInterval, setTimeout } = require('node:timers');
const v8 = require('node:v8');
const { threadId } = require('node:worker_threads');
const { makeError } = require('./errors.js');
const { TAG, unpack } = require('./values.js');

const QUESTION = 'lru:question';
const ANSWER = 'lru:answer';
/** Orders and bytes that one question holds at most, but for its first order. */
const MOST_ORDERS = 1000;
const MOST_BYTES = 2 ** 16;
const ASK_AGAIN_MS = 1000;
const RETRY_MS = 50;
/** How often the cache gives way to a question or an answer that finds no memory. */
const TRIES = 16;
/** Threads whose last answer is kept. */
const MOST_ASKERS = 1024;

/** As the engine says who measures. */
const NOBODY = 0;
const THIS_THREAD = 2;

/** @typedef {import('./values.js').Packed} Packed */
/** @typedef {{ key: string, packed: Packed }} Order */
/**
 * @typedef {object} Waiting an order for the primary, or something to be run after those before it
 * @property {Order} [order]
 * @property {() => any} run also runs an order if there is no primary any more
 * @property {(outcome: any) => void} resolve
 * @property {(error: unknown) => void} reject
 */
/** @typedef {{ message: string, code?: string } | undefined} Outcome undefined: it is done */
/** @typedef {{ asker: string, number: number, orders: Order[] }} Question */
/** @typedef {{ asker: string, number: number, outcomes: Outcome[] }} Answer */

class Requests {
  #join;
  #face;
  #listeners;
  #log;
  #asker = `${process.pid}.${threadId}`;
  /** @type {Waiting[]} */
  #waiting = [];
  #isAsking = false;
  #number = 0;
  /** @type {((answer: Answer) => void) | undefined} */
  #hear;
  #hears = false;
  /** @type {((key: string, packed: Packed) => unknown) | undefined} */
  #run;
  /** What was answered last, by asker. @type {Map<string, Promise<Answer>>} */
  #answers = new Map();

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {Pick<InstanceType<typeof import('./listeners.js').Listeners>, 'watch'>} listeners
   * @param {(error: any) => void} log hears of errors that no caller waits for
   */
  constructor(join, listeners, log) {
    this.#join = join;
    this.#face = join.engine.package;
    this.#listeners = listeners;
    this.#log = log;
  }

  /** Answers from now on. @param {(key: string, packed: Packed) => unknown} run */
  answer(run) {
    if (this.#run === undefined) {
      this.#listeners.watch(this.#face, QUESTION, (tag, raw) => {
        if (tag === TAG.CLONE) this.#answer(/** @type {Question} */ (unpack(tag, raw)));
      });
    }
    this.#run = run;
  }

  /** Whether something of this thread has still to be asked: what comes later has to wait for it. */
  get isAsking() {
    return this.#isAsking;
  }

  /**
   * Has the primary run an order; if there is none any more, it is run here.
   * @type {(key: string, packed: Packed, run: () => 'OK' | Promise<'OK'>) => Promise<'OK'>}
   */
  ask(key, packed, run) {
    return this.#queue({ order: { key, packed }, run });
  }

  /** Runs something of this thread when its turn has come. @type {(run: () => any) => Promise<any>} */
  inTurn(run) {
    return this.#queue({ run });
  }

  /** @param {{ order?: Order, run: () => any }} what @returns {Promise<any>} */
  #queue(what) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...what, resolve, reject });
      if (!this.#isAsking) this.#goOn();
    });
  }

  async #goOn() {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      const asked = this.#takeOrders();
      if (asked.length > 0) await this.#askSome(asked);
      while (this.#waiting.length > 0 && this.#waiting[0].order === undefined) {
        const { run, resolve } = /** @type {Waiting} */ (this.#waiting.shift());
        resolve((async () => run())());
      }
    }
    this.#isAsking = false;
    this.#tidy();
  }

  /** The orders in front, as many as one question may hold. */
  #takeOrders() {
    let bytes = 0;
    const end = this.#waiting.findIndex(({ order }, index) => {
      if (order === undefined || index === MOST_ORDERS) return true;
      bytes += order.key.length + (order.packed.payload?.length ?? 0);
      return index > 0 && bytes > MOST_BYTES;
    });
    return this.#waiting.splice(0, end < 0 ? this.#waiting.length : end);
  }

  /** @param {Waiting[]} asked */
  async #askSome(asked) {
    const orders = asked.map(({ order }) => /** @type {Order} */ (order));
    try {
      const outcomes = await this.#exchange(orders);
      asked.forEach(({ run, resolve, reject }, index) => {
        if (outcomes === undefined) {
          resolve((async () => run())());
          return;
        }
        const problem = outcomes[index];
        if (problem === undefined) resolve('OK');
        else reject(errorOf(problem));
      });
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  /**
   * The outcomes; undefined if nobody is there to answer. It keeps the process alive, as every request
   * that waits.
   * @param {Order[]} orders
   * @returns {Promise<Outcome[] | undefined>}
   */
  #exchange(orders) {
    this.#number += 1;
    const question = { asker: this.#asker, number: this.#number, orders };
    return new Promise((resolve, reject) => {
      const end = (/** @type {() => void} */ settle) => {
        clearInterval(timer);
        this.#hear = undefined;
        settle();
      };
      const ask = () => {
        try {
          if (!this.#join.attached) throw makeError('ERR_CLOSED', CLOSED);
          if (this.#join.engine.lruMeasured() === NOBODY) end(() => resolve(undefined));
          else this.#put(QUESTION, question);
        } catch (error) {
          // A process is stopped in the middle of a change: at the next turn.
          if (/** @type {any} */ (error).code !== 'ERR_BUSY') end(() => reject(error));
        }
      };
      const timer = setInterval(ask, ASK_AGAIN_MS);
      this.#hear = ({ asker, number, outcomes }) => {
        if (asker === question.asker && number === question.number) end(() => resolve(outcomes));
      };
      try {
        this.#hearAnswers();
      } catch (error) {
        end(() => reject(error));
        return;
      }
      ask();
    });
  }

  /** Sets a key of the package; the cache gives way to it. @type {(name: string, value: object) => void} */
  #put(name, value) {
    const bytes = v8.serialize(value);
    for (let left = TRIES; ; left -= 1) {
      try {
        this.#face.set(name, bytes, TAG.CLONE);
        return;
      } catch (error) {
        const { code, need } = /** @type {any} */ (error);
        if (code !== 'ERR_OUT_OF_MEMORY' || left === 0) throw error;
        if (!this.#join.engine.lruGiveWay(need)) throw error;
      }
    }
  }

  #hearAnswers() {
    if (this.#hears) return;
    this.#listeners.watch(this.#face, ANSWER, (tag, raw) => {
      if (tag === TAG.CLONE) this.#hear?.(/** @type {Answer} */ (unpack(tag, raw)));
    });
    this.#hears = true;
  }

  /** Whoever has been told has its copy: the keys need not stay. */
  #tidy() {
    if (!this.#join.attached) return;
    try {
      this.#face.remove(QUESTION);
      this.#face.remove(ANSWER);
    } catch (error) {
      this.#log(error);
    }
  }

  /** @param {Question} question */
  async #answer(question) {
    const { asker, number } = question;
    const last = await this.#answers.get(asker);
    if (last !== undefined && last.number >= number) {
      if (last.number === number) this.#say(last);
      return;
    }
    if (!this.#join.attached || this.#join.engine.lruMeasured() !== THIS_THREAD) return;
    const answer = this.#runAll(question);
    this.#answers.delete(asker);
    this.#answers.set(asker, answer);
    for (const oldest of this.#answers.keys()) {
      if (this.#answers.size <= MOST_ASKERS) break;
      this.#answers.delete(oldest);
    }
    this.#say(await answer);
  }

  /** @param {Question} question @returns {Promise<Answer>} */
  async #runAll({ asker, number, orders }) {
    const outcomes = orders.map(({ key, packed }) => this.#runOne(key, packed));
    return { asker, number, outcomes: await Promise.all(outcomes) };
  }

  /** @type {(key: string, packed: Packed) => Promise<Outcome>} */
  async #runOne(key, packed) {
    try {
      await this.#run?.(key, packed);
      return undefined;
    } catch (error) {
      const { message = error, code } = /** @type {any} */ (error ?? {});
      return { message: String(message), code: typeof code === 'string' ? code : undefined };
    }
  }

  /** @param {Answer} answer */
  #say(answer) {
    if (!this.#join.attached) return;
    try {
      this.#put(ANSWER, answer);
    } catch (error) {
      this.#log(error);
      setTimeout(() => this.#say(answer), RETRY_MS).unref();
    }
  }
}

/** What `length` threw in the primary, or what failed there. @param {{ message: string, code?: string }} problem */
function errorOf({ message, code }) {
  return code?.startsWith('ERR_') ? makeError(code, message) : new Error(message);
}

const CLOSED = 'The shared memory was closed by close()';

module.exports = { Requests };
