'use strict';

// What is called for an order: the same methods at once and by promise.

const { OP } = require('./records.js');
const { toValue } = require('./values.js');

/**
 * @typedef {object} Order
 * @property {number} op
 * @property {number} key
 * @property {number} argument
 * @property {number} [expected] of a SWAP, the code that is to stand there; of a SET, its ttl in ms
 * @property {number} [version] of a SWAP
 * @property {(version: number) => void} [hearVersion] of a GET: it gets the version too
 */

/**
 * A call with nothing left to do but to make it; gives what was read or told.
 * @param {any} form the memory, a namespace, or `sync` of one
 * @param {string} name
 * @param {Order} order
 * @param {(outcome: any) => void} [callback]
 * @returns {() => any}
 */
function callOf(form, name, order, callback) {
  const { op, argument, expected, version } = order;
  if (op === OP.GET) return readOf(form, name, order, callback);
  if (op === OP.REMOVE) return () => form.remove(name, callback);
  if (op === OP.HAS) return () => form.has(name);
  if (op === OP.INCR) return () => form.incr(name, argument);
  if (op === OP.TAKE) return () => form.getAndRemove(name);
  if (op === OP.TOUCH) return () => form.touch(name, argument);
  const value = toValue(argument);
  switch (op) {
    case OP.ADD:
      return () => form.add(name, value);
    case OP.REPLACE:
      return () => form.replace(name, value);
    case OP.EXCHANGE:
      return () => form.getAndSet(name, value);
    case OP.SWAP:
      return () => form.compareAndSet(name, version, value);
    case OP.UPDATE:
      return updateOf(form, name, value);
  }
  if (expected) return () => form.set(name, value, { ttl: expected }, callback);
  // At once there is none.
  return callback ? () => form.set(name, value, callback) : () => form.set(name, value);
}

/** @type {(form: any, name: string, order: Order, callback?: (outcome: any) => void) => () => any} */
function readOf(form, name, { hearVersion }, callback) {
  if (!hearVersion) return () => form.get(name, callback);
  const hear = (/** @type {{ value: unknown, version: number }} */ { value, version }) => {
    hearVersion(version);
    return value;
  };
  return () => then(form.getWithVersion(name), hear);
}

/** Gives what the last call of the function was given. @type {(form: any, name: string, value: unknown) => () => any} */
function updateOf(form, name, value) {
  return () => {
    /** @type {unknown} */
    let old;
    const change = (/** @type {unknown} */ before) => {
      old = before;
      return value;
    };
    return then(form.update(name, change), () => old);
  };
}

/** @type {(result: any, next: (value: any) => unknown) => unknown} */
function then(result, next) {
  return result instanceof Promise ? result.then(next) : next(result);
}

module.exports = { callOf };
