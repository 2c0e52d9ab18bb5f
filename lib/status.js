'use strict';

// What the engine tells beside the value of a call: an array of words that both see.

/** Words of the status. */
const STATUS = Object.freeze({
  /** The tag of the value that was read; 0: there is none. */
  TAG: 0,
  /** Of news, what kind they are; of a scan, the shard in which it goes on. */
  KIND: 1,
  SHARD: 1,
  /** Of news, the watch that they are of; of a scan, 1 at its end. */
  WATCH: 2,
  IS_OVER: 2,
  /** Of a snapshot that is being read, how many entries are read, and of how many. */
  READ: 1,
  TOTAL: 2,
  /** 1 if this thread has changed what it listens to itself. */
  OWN_NEWS: 3,
  /** Of a scan, the place in its shard, in two halves. */
  LOW: 6,
  HIGH: 7,
});
const WORDS = 8;
/** The version of the value that was read: a double in the words 4 and 5. */
const VERSION = 2;

function newStatus() {
  const status = new Uint32Array(WORDS);
  return { status, versions: new Float64Array(status.buffer) };
}

module.exports = { STATUS, VERSION, newStatus };
