'use strict';

// Keys are strings. Numbers and booleans become strings, so that 1 and '1' are one key. Any string
// is an ordinary key; the engine alone knows how long one may be.

const { wrongType } = require('./errors.js');

/**
 * @param {unknown} key
 * @returns {string}
 */
function toKey(key) {
  switch (typeof key) {
    case 'string':
      return key;
    case 'number':
    case 'boolean':
      return String(key);
    default:
      throw wrongType('"key" argument', 'of type string, number or boolean', key);
  }
}

module.exports = { toKey };
