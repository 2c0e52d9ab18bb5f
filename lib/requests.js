'use strict';

// Requests to the primary: what only its functions can do. They go through the shared memory, not
// through its event loop's messages: the asker sets a key of the package that the primary watches, the
// primary answers under another one. One asks at a time, under a lock, so no question and no answer
// is overtaken by the next; what comes meanwhile in one thread goes along with its next question.

const { setInterval, clearInterval } = require('node:timers');
const v8 = require('node:v8');
const { threadId } = require('node:worker_threads');
const { makeError } = require('./errors.js');
const { TAG, unpack } = require('./values.js');

const QUESTION = 'lru:question';
const ANSWER = 'lru:answer';
/** Orders that one question holds at most. */
const MOST = 1000;
const LOOK_AGAIN_MS = 100;

/** @typedef {import('./values.js').Packed} Packed */
/** @typedef {{ key: string, packed: Packed }} Order */
/**
 * @typedef {object} Waiting an order for the primary, or something to be run after those before it
 * @property {Order} [order]
 * @property {() => any} [run]
 * @property {(outcome: any) => void} resolve
 * @property {(error: unknown) => void} reject
 */
/** @typedef {{ message: string, code?: string } | undefined} Outcome undefined: it is done */
/** @typedef {{ id: string, orders: Order[] }} Question */
/** @typedef {{ id: string, outcomes: Outcome[] }} Answer */

class Requests {
  #join;
  #face;
  #locks;
  #listeners;
  /** @type {Waiting[]} */
  #waiting = [];
  #isAsking = false;
  #questions = 0;
  /** @type {((key: string, packed: Packed) => unknown) | undefined} */
  #run;

  /**
   * @param {InstanceType<typeof import('./join.js').Join>} join
   * @param {Pick<InstanceType<typeof import('./locks.js').Locks>, 'within'>} locks
   * @param {Pick<InstanceType<typeof import('./listeners.js').Listeners>, 'watch'>} listeners
   */
  constructor(join, locks, listeners) {
    this.#join = join;
    this.#face = join.engine.package;
    this.#locks = locks;
    this.#listeners = listeners;
  }

  /** Answers from now on. @param {(key: string, packed: Packed) => unknown} run */
  answer(run) {
    if (this.#run === undefined) {
      this.#listeners.watch(this.#face, QUESTION, (tag, raw) =>
        this.#answer(/** @type {Question} */ (unpack(tag, raw))),
      );
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

  /** @param {{ order?: Order, run?: () => any }} what @returns {Promise<any>} */
  #queue(what) {
    return new Promise((resolve, reject) => {
      this.#waiting.push({ ...what, resolve, reject });
      if (!this.#isAsking) this.#goOn();
    });
  }

  async #goOn() {
    this.#isAsking = true;
    while (this.#waiting.length > 0) {
      const orders = this.#takeWhile(({ order }) => order !== undefined);
      if (orders.length > 0) await this.#askSome(orders);
      for (const { run, resolve } of this.#takeWhile(({ order }) => order === undefined)) {
        resolve((async () => run?.())());
      }
    }
    this.#isAsking = false;
  }

  /** @param {(waiting: Waiting) => boolean} isMeant */
  #takeWhile(isMeant) {
    const end = this.#waiting.findIndex((waiting) => !isMeant(waiting));
    return this.#waiting.splice(0, Math.min(end < 0 ? MOST : end, MOST));
  }

  /** @param {Waiting[]} asked */
  async #askSome(asked) {
    const orders = asked.map(({ order }) => /** @type {Order} */ (order));
    try {
      const exchange = () => this.#exchange(orders);
      const outcomes = await this.#locks.within(this.#face, QUESTION, exchange);
      if (outcomes === undefined) {
        for (const { run, resolve } of asked) resolve((async () => run?.())());
        return;
      }
      asked.forEach(({ resolve, reject }, index) => {
        const problem = outcomes[index];
        if (problem === undefined) resolve('OK');
        else reject(makeError(problem.code ?? 'ERR_REFUSED', problem.message));
      });
    } catch (error) {
      for (const { reject } of asked) reject(error);
    }
  }

  /**
   * The outcomes; undefined if nobody is there to answer.
   * @param {Order[]} orders
   * @returns {Promise<Outcome[] | undefined>}
   */
  #exchange(orders) {
    this.#questions += 1;
    const id = `${process.pid}.${threadId}.${this.#questions}`;
    return new Promise((resolve, reject) => {
      const stop = this.#listeners.watch(this.#face, ANSWER, (tag, raw) => {
        const answer = /** @type {Answer} */ (unpack(tag, raw));
        if (answer.id === id) end(() => resolve(answer.outcomes));
      });
      // It keeps the process alive, as every request that waits.
      const timer = setInterval(() => {
        if (!this.#join.attached) end(() => reject(makeError('ERR_CLOSED', CLOSED)));
        else if (!this.#join.engine.lruMeasured()) end(() => resolve(undefined));
      }, LOOK_AGAIN_MS);
      const end = (/** @type {() => void} */ settle) => {
        clearInterval(timer);
        stop();
        settle();
      };
      try {
        this.#face.set(QUESTION, v8.serialize({ id, orders }), TAG.CLONE);
      } catch (error) {
        end(() => reject(error));
      }
    });
  }

  /** @param {Question} question */
  #answer({ id, orders }) {
    const outcomes = orders.map(({ key, packed }) => this.#runOne(key, packed));
    this.#face.set(ANSWER, v8.serialize({ id, outcomes }), TAG.CLONE);
  }

  /** @type {(key: string, packed: Packed) => Outcome} */
  #runOne(key, packed) {
    try {
      this.#run?.(key, packed);
      return undefined;
    } catch (error) {
      const { message, code } = /** @type {any} */ (error);
      return { message: String(message), code };
    }
  }
}

const CLOSED = 'The shared memory was closed by close()';

module.exports = { Requests };
