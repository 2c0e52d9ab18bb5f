'use strict';

// Does operations on values, in each of their forms, and records them.

const { callOf } = require('./calls.js');
const { KEYS, keyName, spaceOf } = require('./keys.js');
const { OP, OUTCOME } = require('./records.js');
const { toValue, toCode } = require('./values.js');

/** How often an operation that found a stopped process in its way may be tried again. */
const TRIES = 20;

/** @typedef {import('./calls.js').Order} Order */
/** The operations that call back by themselves. */
const TAKES_CALLBACK = new Set([OP.GET, OP.SET, OP.REMOVE]);
/** The operations that give whether something was so. */
const TELLS_TRUTH = new Set([OP.HAS, OP.ADD, OP.REPLACE, OP.SWAP, OP.TOUCH]);

/** @typedef {{ value?: unknown, error?: unknown }} Result */
/** @typedef {{ called: number, returned: number, result: Result }} Done */

class Operator {
  #memory;
  #recorder;
  #round;
  #closed = false;

  /**
   * @param {any} memory
   * @param {InstanceType<typeof import('./recorder.js').Recorder>} recorder
   * @param {number} round
   */
  constructor(memory, recorder, round) {
    this.#memory = memory;
    this.#recorder = recorder;
    this.#round = round;
  }

  /** At once. Gives what was read, as a code. @param {Order} order */
  now(order) {
    const call = this.#prepare(order);
    const seq = this.#announced(order);
    this.#recorder.flush();
    const called = this.#recorder.now();
    const result = attempt(call);
    return this.#record(seq, order, { called, returned: this.#recorder.now(), result });
  }

  /**
   * Several at once, announced together and recorded together: between them is nothing but a look at
   * the clock, so that they meet those of other processes often.
   * @param {Order[]} orders
   */
  together(orders) {
    const seqs = orders.map((order) => this.#announced(order));
    const calls = orders.map((order) => this.#prepare(order));
    this.#recorder.flush();
    const outcomes = calls.map((call) => {
      const called = this.#recorder.now();
      const result = attempt(call);
      return { called, returned: this.#recorder.now(), result };
    });
    outcomes.forEach((outcome, i) => {
      this.#record(seqs[i], orders[i], outcome);
    });
  }

  /** By promise. @param {Order} order */
  later(order) {
    const seq = this.#announced(order);
    this.#recorder.flush();
    const called = this.#recorder.now();
    return this.#begin(order).then(
      (value) => this.#record(seq, order, this.#since(called, { value })),
      (error) => this.#record(seq, order, this.#since(called, { error })),
    );
  }

  /** By callback. @param {Order} order @returns {Promise<number>} */
  calling(order) {
    const seq = this.#announced(order);
    this.#recorder.flush();
    const called = this.#recorder.now();
    return new Promise((resolve) => {
      this.#begin(order, (outcome) => {
        const result = outcome instanceof Error ? { error: outcome } : { value: outcome };
        resolve(this.#record(seq, order, this.#since(called, result)));
      });
    });
  }

  /** Tries until no stopped process is in the way. @param {Order} order */
  async surely(order) {
    for (let i = 0; i < TRIES; i += 1) {
      const result = await this.later(order);
      if (!Number.isNaN(result)) return result;
      if (this.#closed) throw Object.assign(new Error('It was closed.'), { code: 'ERR_CLOSED' });
    }
    throw new Error(`${TRIES} tries of operation ${order.op} on ${KEYS[order.key].name} failed.`);
  }

  /** The operation, with nothing left to do but to call it. @type {(order: Order) => () => unknown} */
  #prepare(order) {
    const { sync } = spaceOf(this.#memory, order.key);
    return callOf(sync, keyName(this.#round, order.key), order);
  }

  /** @type {(order: Order, callback?: (outcome: any) => void) => Promise<any>} */
  #begin(order, callback) {
    const { op, key, argument } = order;
    const memory = spaceOf(this.#memory, key);
    const name = keyName(this.#round, key);
    const lru = KEYS[key].kind === 'lru';
    if (op === OP.GET && lru) return memory.getLRU(name, callback);
    if (op === OP.SET && lru) return memory.setLRU(name, toValue(argument), callback);
    if (op === OP.REMOVE && lru) return memory.removeLRU(name, callback);
    const promise = callOf(memory, name, order, callback)();
    if (TAKES_CALLBACK.has(op) && !order.hearVersion) return promise;
    if (callback) promise.then(callback, callback);
    return promise;
  }

  /** Records what is about to be done; flush() must come before it. @param {Order} order */
  #announced({ op, key, argument, expected }) {
    return this.#recorder.announce(op, key, argument, expected);
  }

  /** @type {(called: number, result: Result) => Done} */
  #since(called, result) {
    return { called, returned: this.#recorder.now(), result };
  }

  /** Gives the code that was read, or NaN if nothing was done. @type {(seq: number, order: Order, done: Done) => number} */
  #record(seq, order, { called, returned, result }) {
    const { error, value } = result;
    const failed = { kind: outcomeOfError(error), code: Number.NaN };
    const { kind, code } = error === undefined ? outcomeOf(order.op, value) : failed;
    this.#recorder.returned(seq, called, returned, kind, code);
    if (kind === OUTCOME.CLOSED) this.#closed = true;
    if (kind === OUTCOME.WRONG) {
      this.#wrong(order, error === undefined ? `gave ${brief(value)}` : `failed: ${brief(error)}`);
    }
    return code;
  }

  /** @type {(order: Order, what: string) => void} */
  #wrong({ op, key, argument }, what) {
    this.#recorder.note(`operation ${op} (${argument}) on "${KEYS[key].name}" ${what}`);
  }
}

/** @type {(op: number, result: any) => { kind: number, code: number }} */
function outcomeOf(op, result) {
  if (op === OP.SET || op === OP.REMOVE) {
    return { kind: result === 'OK' ? OUTCOME.OK : OUTCOME.WRONG, code: 0 };
  }
  if (TELLS_TRUTH.has(op)) {
    const right = typeof result === 'boolean';
    return { kind: right ? OUTCOME.TRUTH : OUTCOME.WRONG, code: Number(result) };
  }
  const code = toCode(result);
  return { kind: Number.isNaN(code) ? OUTCOME.WRONG : OUTCOME.VALUE, code };
}

/** @param {any} error */
function outcomeOfError(error) {
  if (error?.code === 'ERR_BUSY') return OUTCOME.BUSY;
  if (error?.code === 'ERR_CLOSED') return OUTCOME.CLOSED;
  if (error?.code === 'ERR_NOT_A_NUMBER') return OUTCOME.NOT_A_NUMBER;
  return OUTCOME.WRONG;
}

/** @param {unknown} thing */
function brief(thing) {
  if (thing instanceof Error) return String(thing.stack ?? thing.message);
  const text = typeof thing === 'string' ? thing : JSON.stringify(thing);
  return `${typeof thing} ${String(text).slice(0, 200)}`;
}

/** @param {() => unknown} call @returns {Result} */
function attempt(call) {
  try {
    return { value: call() };
  } catch (error) {
    return { error };
  }
}

module.exports = { Operator, outcomeOfError, brief };
