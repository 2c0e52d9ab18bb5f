'use strict';

// Arguments of the operations beside keys and values.

const { wrongType, outOfRange } = require('./errors.js');

/** What stays for ever. */
const FOR_EVER = Number.POSITIVE_INFINITY;
/** No clock of ours counts further. */
const LONGEST_MS = Number.MAX_SAFE_INTEGER;

/**
 * How long something stays, in ms.
 * @param {unknown} ttl
 * @param {string} name for the error
 * @returns {number}
 */
function toTtl(ttl, name) {
  if (typeof ttl !== 'number') throw wrongType(name, 'of type number', ttl);
  if (ttl === FOR_EVER) return ttl;
  if (!(ttl > 0 && ttl <= LONGEST_MS)) {
    throw outOfRange(name, 'a number of milliseconds above 0, or Infinity', ttl);
  }
  return ttl;
}

/**
 * The ttl of an options argument; for ever if there is none.
 * @param {unknown} options
 * @returns {number}
 */
function ttlOf(options) {
  if (options === undefined) return FOR_EVER;
  if (typeof options !== 'object' || options === null) {
    throw wrongType('"options" argument', 'an object', options);
  }
  const { ttl } = /** @type {{ ttl?: unknown }} */ (options);
  return ttl === undefined ? FOR_EVER : toTtl(ttl, '"ttl" option');
}

/** @param {unknown} by */
function toStep(by) {
  if (typeof by !== 'number') throw wrongType('"by" argument', 'of type number', by);
  if (!Number.isFinite(by)) throw outOfRange('"by" argument', 'a finite number', by);
  return by;
}

/** @param {unknown} version */
function toVersion(version) {
  if (typeof version !== 'number') throw wrongType('"version" argument', 'of type number', version);
  if (!Number.isSafeInteger(version) || version < 0) {
    throw outOfRange('"version" argument', 'a version that getWithVersion gave', version);
  }
  return version;
}

/**
 * What the keys that are wanted begin with.
 * @param {unknown} options
 * @returns {string}
 */
function prefixOf(options) {
  if (options === undefined) return '';
  if (typeof options !== 'object' || options === null) {
    throw wrongType('"options" argument', 'an object', options);
  }
  const { prefix = '' } = /** @type {{ prefix?: unknown }} */ (options);
  if (typeof prefix !== 'string') throw wrongType('"prefix" option', 'of type string', prefix);
  return prefix;
}

/** @param {unknown} fn @param {string} name for the error */
function toFunction(fn, name = '"fn" argument') {
  if (typeof fn !== 'function') throw wrongType(name, 'of type function', fn);
  return /** @type {(value: any) => any} */ (fn);
}

/**
 * @param {unknown} list
 * @param {string} name
 * @returns {Iterable<any>}
 */
function toIterable(list, name) {
  const iterator = /** @type {any} */ (list)?.[Symbol.iterator];
  if (typeof iterator !== 'function' || typeof list === 'string') {
    throw wrongType(`"${name}" argument`, 'an iterable', list);
  }
  return /** @type {Iterable<any>} */ (list);
}

/**
 * One of the entries that are to be set.
 * @param {unknown} entry
 * @returns {unknown[]}
 */
function toPair(entry) {
  if (Array.isArray(entry)) return entry;
  throw wrongType('"entries" argument', 'of pairs of key and value', entry);
}

module.exports = {
  FOR_EVER,
  toTtl,
  ttlOf,
  toStep,
  toVersion,
  prefixOf,
  toFunction,
  toIterable,
  toPair,
};
