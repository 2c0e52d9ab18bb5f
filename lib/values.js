'use strict';

// The codec: what a value is on its way into the segment and out of it. A stored value is a tag and
// a payload; it is read by its tag alone, so processes in different modes understand each other.
//
// Scalars, strings and bytes never pay for JSON. Below TAG.JSON the engine gives finished values.
// A payload of undefined is always the value undefined: JSON has no text for some objects either.

const { types } = require('node:util');
const v8 = require('node:v8');
const { wrongType } = require('./errors.js');

/** The engine reports JSON + 1 for JSON text that is not one-byte, and STRING + 1 likewise. */
const TAG = Object.freeze({
  UNDEFINED: 1,
  NULL: 2,
  FALSE: 3,
  TRUE: 4,
  NUMBER: 5,
  STRING: 6,
  JSON: 8,
  CLONE: 10,
  BUFFER: 11,
  BYTES: 12,
  /** Instead of a tag: the value is still that of the version that was asked with. */
  UNCHANGED: 255,
});

/** @typedef {{ tag: number, payload: any }} Packed what the engine stores */

/**
 * The tag under which a value is stored.
 * @param {unknown} value
 * @param {boolean} advanced whether objects are cloned rather than written as JSON
 * @returns {number}
 */
function tagOf(value, advanced) {
  switch (typeof value) {
    case 'string':
      return TAG.STRING;
    case 'number':
      return TAG.NUMBER;
    case 'boolean':
      return value ? TAG.TRUE : TAG.FALSE;
    case 'undefined':
      return TAG.UNDEFINED;
    case 'function':
    case 'symbol':
      if (!advanced) throw wrongType('"value" argument', 'a value that can be stored', value);
      return TAG.CLONE;
    case 'object':
      if (value === null) return TAG.NULL;
      if (types.isUint8Array(value)) return Buffer.isBuffer(value) ? TAG.BUFFER : TAG.BYTES;
  }
  return advanced ? TAG.CLONE : TAG.JSON;
}

/**
 * What the engine stores for a value of this tag; undefined means that the tag is UNDEFINED.
 * @param {number} tag
 * @param {unknown} value
 * @returns {unknown}
 */
function pack(tag, value) {
  if (tag === TAG.JSON) return JSON.stringify(value);
  if (tag === TAG.CLONE) return v8.serialize(value);
  if (tag < TAG.JSON) return value;
  // The engine must not read bytes that another thread can change meanwhile.
  const bytes = /** @type {Uint8Array} */ (value);
  return types.isSharedArrayBuffer(bytes.buffer) ? Buffer.from(bytes) : bytes;
}

/**
 * A value as it is now, whatever becomes of it.
 * @param {unknown} value
 * @param {boolean} advanced
 * @returns {Packed}
 */
function packToKeep(value, advanced) {
  const tag = tagOf(value, advanced);
  const payload = pack(tag, value);
  if (payload === undefined) return { tag: TAG.UNDEFINED, payload };
  // All other payloads are immutable or our own already.
  return { tag, payload: types.isUint8Array(value) ? Buffer.from(value) : payload };
}

/**
 * The value behind a payload of a tag from TAG.JSON on.
 * @param {number} tag
 * @param {any} raw
 * @returns {unknown}
 */
function unpack(tag, raw) {
  if (tag < TAG.CLONE) return JSON.parse(raw);
  if (tag === TAG.CLONE) return v8.deserialize(raw);
  return tag === TAG.BUFFER ? raw : new Uint8Array(raw.buffer, raw.byteOffset, raw.byteLength);
}

module.exports = { TAG, tagOf, pack, packToKeep, unpack };
