'use strict';

// What one key does, operation by operation, for the checker of linearizability.

const { OP, OUTCOME } = require('./records.js');

/** @typedef {import('./linearizability.js').Operation} Operation */
/** @typedef {import('./linearizability.js').Model} Model */

/** @param {Operation} operation */
function isRead({ op, outcome, value }) {
  if (op === OP.GET || op === OP.HAS || op === OP.TOUCH) return true;
  if (outcome === OUTCOME.NOT_A_NUMBER) return true;
  // What was told to have changed nothing.
  if (outcome === OUTCOME.TRUTH) return value === 0;
  return op === OP.TAKE && outcome === OUTCOME.VALUE && value === 0;
}

/** A key by itself. The state is the code of its value. @type {Model} */
const register = {
  initial: 0,
  isRead,
  step(state, operation) {
    const { op, argument } = operation;
    if (op === OP.SET) return argument;
    if (op === OP.REMOVE) return 0;
    if (op === OP.INCR && operation.outcome !== OUTCOME.NOT_A_NUMBER) return sum(state, operation);
    if (op >= OP.ADD && op !== OP.TOUCH) return exchange(state, operation);
    return fits(state, operation) ? state : undefined;
  },
};

/**
 * A key whose changes are all known in their order, since a listener heard of each. The state is the
 * number of changes that have happened; changes[0] is the value before the first.
 * @param {number[]} changes codes
 * @returns {Model}
 */
function witnessed(changes) {
  return {
    initial: 0,
    isRead,
    step(state, operation) {
      if (isRead(operation)) return fits(changes[state], operation) ? state : undefined;
      const value = register.step(changes[state], operation);
      return value !== undefined && value === changes[state + 1] ? state + 1 : undefined;
    },
  };
}

/** @type {(value: number, operation: Operation) => number | undefined} */
function sum(value, { argument, outcome, value: told }) {
  if (value < 0) return undefined;
  const added = value + argument;
  return outcome === OUTCOME.VALUE && told !== added ? undefined : added;
}

/** Conditions and exchanges. Values are unique, so a version is known by its value. @type {(value: number, operation: Operation) => number | undefined} */
function exchange(value, { op, argument, expected, outcome, value: told }) {
  if (op === OP.EXCHANGE || op === OP.TAKE || op === OP.UPDATE) {
    if (outcome === OUTCOME.VALUE && told !== value) return undefined;
    return op === OP.TAKE ? 0 : argument;
  }
  const holds = op === OP.SWAP ? value === expected : (value === 0) === (op === OP.ADD);
  if (outcome === OUTCOME.TRUTH && told !== Number(holds)) return undefined;
  return holds ? argument : value;
}

/** Whether a read can have had its outcome. @type {(value: number, operation: Operation) => boolean} */
function fits(value, operation) {
  if (operation.op === OP.GET) return operation.value === value;
  if (operation.op === OP.HAS || operation.op === OP.TOUCH) {
    return operation.value === Number(value !== 0);
  }
  if (operation.op >= OP.ADD) return exchange(value, operation) === value;
  return value < 0;
}

module.exports = { register, witnessed };
