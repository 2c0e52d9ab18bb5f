'use strict';

// Writes the history of one thread. A call is recorded before it is made: a SIGKILL must not lose
// what may have taken effect. A return may get lost with the process, for it merely makes the call
// one that may or may not have happened; so returns wait in memory and go along with the next
// call, and a call costs one system call. Several calls may be announced together and then made.

const fs = require('node:fs');
const { RECORD_BYTES, PHASE } = require('./records.js');

const CAPACITY = 512;

class Recorder {
  #file;
  #fd;
  #base;
  #buffer = Buffer.alloc(RECORD_BYTES * CAPACITY);
  #length = 0;
  #seq = 0;

  /**
   * @param {string} file without its extension
   * @param {bigint} base the beginning of the run
   */
  constructor(file, base) {
    this.#file = file;
    this.#base = base;
    this.#fd = fs.openSync(`${file}.bin`, 'a');
  }

  /** The seq of the last call. */
  get latest() {
    return this.#seq;
  }

  now() {
    return Number(process.hrtime.bigint() - this.#base);
  }

  /** Records a call that is about to be made. @type {(op: number, key: number, argument?: number, expected?: number) => number} */
  call(op, key, argument = 0, expected = 0) {
    const seq = this.announce(op, key, argument, expected);
    this.flush();
    return seq;
  }

  /** Like `call`, but flush() must come before the call itself. @type {(op: number, key: number, argument?: number, expected?: number) => number} */
  announce(op, key, argument = 0, expected = 0) {
    this.#seq += 1;
    this.#append(PHASE.CALL, op, key, this.#seq, this.now(), argument, expected);
    return this.#seq;
  }

  /** @type {(seq: number, called: number, returned: number, outcome: number, value?: number) => void} */
  returned(seq, called, returned, outcome, value = 0) {
    this.#append(PHASE.RETURN, outcome, 0, seq, called, returned, value);
  }

  /** @type {(what: number, key: number, seq: number, value?: number) => void} */
  mark(what, key, seq, value = 0) {
    this.#append(PHASE.MARK, what, key, seq, this.now(), value, 0);
  }

  /** A mark that must be known before what follows. @type {(what: number, value?: number) => void} */
  markNow(what, value = 0) {
    this.mark(what, 0, 0, value);
    this.flush();
  }

  /** Something that should not be, in words. @param {string} text */
  note(text) {
    fs.appendFileSync(`${this.#file}.notes`, `${JSON.stringify(text)}\n`);
  }

  /** What the logger heard, if it is not in the records. @param {string} text */
  said(text) {
    fs.appendFileSync(`${this.#file}.said`, `${JSON.stringify(text)}\n`);
  }

  flush() {
    if (this.#length === 0) return;
    fs.writeSync(this.#fd, this.#buffer, 0, this.#length);
    this.#length = 0;
  }

  close() {
    this.flush();
    fs.closeSync(this.#fd);
  }

  /** @type {(phase: number, kind: number, key: number, seq: number, a: number, b: number, c: number) => void} */
  #append(phase, kind, key, seq, a, b, c) {
    if (this.#length === this.#buffer.length) this.flush();
    const at = this.#length;
    const buffer = this.#buffer;
    buffer[at] = phase;
    buffer[at + 1] = kind;
    buffer.writeUInt16LE(key, at + 2);
    buffer.writeUInt32LE(seq, at + 4);
    buffer.writeDoubleLE(a, at + 8);
    buffer.writeDoubleLE(b, at + 16);
    buffer.writeDoubleLE(c, at + 24);
    this.#length += RECORD_BYTES;
  }
}

module.exports = { Recorder };
