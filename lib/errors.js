'use strict';

// Every error of the package is made here. An error carries a stable `code`; programs and this
// package decide by the code and never by the message. The list of codes stands in index.d.ts.
// Wrong arguments are TypeErrors and RangeErrors worded as Node words its own.

const { inspect } = require('node:util');

class SharedMemoryError extends Error {
  get name() {
    return 'SharedMemoryError';
  }
}

/** Codes whose errors are of a class of the language; all others are SharedMemoryErrors. */
const CLASSES = new Map([
  ['ERR_INVALID_ARG_TYPE', TypeError],
  ['ERR_INVALID_ARG_VALUE', TypeError],
  ['ERR_OUT_OF_RANGE', RangeError],
  ['ERR_KEY_TOO_LONG', RangeError],
  ['ERR_VALUE_TOO_LARGE', RangeError],
]);

/**
 * The engine calls this too, with the figures of the failure as details.
 * @param {string} code
 * @param {string} message
 * @param {object | null} [details]
 * @returns {Error & { code: string }}
 */
function makeError(code, message, details) {
  const ErrorClass = CLASSES.get(code) ?? SharedMemoryError;
  return Object.assign(new ErrorClass(message), { code }, details);
}

/**
 * @param {string} name as in: the "key" argument
 * @param {string} expected as in: of type string
 * @param {unknown} value
 */
function wrongType(name, expected, value) {
  const message = `The ${name} must be ${expected}. Received ${received(value)}`;
  return makeError('ERR_INVALID_ARG_TYPE', message);
}

/**
 * @param {string} name
 * @param {string} expected
 * @param {unknown} value
 */
function wrongValue(name, expected, value) {
  const message = `The ${name} must be ${expected}. Received ${inspect(value)}`;
  return makeError('ERR_INVALID_ARG_VALUE', message);
}

/**
 * @param {string} name
 * @param {string} expected
 * @param {unknown} value
 */
function outOfRange(name, expected, value) {
  const message = `The ${name} is out of range. It must be ${expected}. Received ${inspect(value)}`;
  return makeError('ERR_OUT_OF_RANGE', message);
}

/**
 * What came, in the words of Node's own argument errors.
 * @param {unknown} value
 */
function received(value) {
  if (value === null || value === undefined) return String(value);
  if (typeof value === 'function') return `function ${value.name}`.trimEnd();
  if (typeof value === 'object') {
    const name = value.constructor?.name;
    return name ? `an instance of ${name}` : inspect(value, { depth: -1 });
  }
  const text = inspect(value);
  return `type ${typeof value} (${text.length > 28 ? `${text.slice(0, 25)}...` : text})`;
}

/**
 * Throws an error of somebody's callback as what it is, an uncaught exception, when what called it is
 * done.
 * @param {unknown} error
 */
function throwLater(error) {
  process.nextTick(() => {
    throw error;
  });
}

module.exports = { throwLater, makeError, wrongType, wrongValue, outOfRange };
