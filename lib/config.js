'use strict';

// Sizes: how the maximum of the segment is written, and which one is taken when nobody says. The
// segment is sparse, so a maximum costs nothing until values fill it.

const { usableMemory } = require('./limits.js');
const { wrongType, wrongValue, outOfRange } = require('./errors.js');

const MIB = 2 ** 20;
const SMALLEST = 16 * MIB;
const LARGEST = 8 * 2 ** 40;
const SMALLEST_LOG = 2 ** 16;
const SMALLEST_SPACE = 2 ** 12;

const SIZE = /^\s*(\d+(?:\.\d+)?)\s*(?:([kmgt])(?:i?b)?|b)?\s*$/i;
const UNITS = ['', 'k', 'm', 'g', 't'];

/**
 * A number of bytes, or a text such as '512mb', '2 GiB' or '1.5g'. All units are powers of 1024.
 * @param {unknown} size
 * @param {string} name for the error
 * @returns {number} bytes
 */
function parseMaximum(size, name) {
  const bytes = parseSize(size, name);
  if (bytes < SMALLEST || bytes > LARGEST) {
    throw outOfRange(name, 'a whole number of bytes from 16 MiB to 8 TiB', size);
  }
  return bytes;
}

/**
 * As parseMaximum. The engine alone knows that a log is a quarter of the maximum at most.
 * @param {unknown} size
 * @param {string} name for the error
 * @returns {number} bytes
 */
function parseLog(size, name) {
  const bytes = parseSize(size, name);
  if (bytes < SMALLEST_LOG) throw outOfRange(name, 'a whole number of bytes from 64 KiB', size);
  return bytes;
}

/**
 * As parseMaximum, for what one namespace may have.
 * @param {unknown} size
 * @param {string} name for the error
 * @returns {number} bytes
 */
function parseSpace(size, name) {
  const bytes = parseSize(size, name);
  if (bytes < SMALLEST_SPACE) throw outOfRange(name, 'a whole number of bytes from 4 KiB', size);
  return bytes;
}

/**
 * As parseMaximum, for the values that a thread keeps decoded; 0: none.
 * @param {unknown} size
 * @param {string} name for the error
 * @returns {number} bytes
 */
function parseValueCache(size, name) {
  const bytes = parseSize(size, name);
  if (bytes < 0) throw outOfRange(name, 'a whole number of bytes from 0', size);
  return bytes;
}

/** @param {unknown} size @param {string} name */
function parseSize(size, name) {
  const bytes = typeof size === 'string' ? parseText(size, name) : size;
  if (typeof bytes !== 'number') throw wrongType(name, 'of type number or string', size);
  if (!Number.isInteger(bytes)) throw outOfRange(name, 'a whole number of bytes', size);
  return bytes;
}

/**
 * @param {string} text
 * @param {string} name
 */
function parseText(text, name) {
  const match = SIZE.exec(text);
  if (!match) throw wrongValue(name, 'a number of bytes or a size such as "512mb"', text);
  const [, amount, unit = ''] = match;
  return Math.floor(Number(amount) * 1024 ** UNITS.indexOf(unit.toLowerCase()));
}

/**
 * The maximum when configure() names none: the environment's, or else a quarter of the memory that
 * the process may use.
 * @param {NodeJS.ProcessEnv} env
 * @returns {number} bytes
 */
function defaultMaximum(env) {
  const wanted = env.CLUSTER_SHARED_MEMORY_MAX;
  if (wanted) return parseMaximum(wanted, 'environment variable CLUSTER_SHARED_MEMORY_MAX');
  const quarter = Math.floor(usableMemory() / 4);
  return Math.min(Math.max(quarter, SMALLEST), LARGEST);
}

module.exports = { parseLog, parseMaximum, parseSpace, parseValueCache, defaultMaximum };
