'use strict';

// What stands in the files of a history: records of one size, one file for each thread.
//
//     byte  0      1           2    4    8       16        24
//     CALL  phase  operation   key  seq  time    argument  expected
//     RET   phase  outcome     -    seq  called  returned  value
//     MARK  phase  what        key  seq  time    value
//
// `seq` numbers the calls of a thread, and joins the records of one call. Times are in ns since the
// beginning of the run, on CLOCK_MONOTONIC, which all processes of a machine share. `expected` of a SET
// is the ttl in ms, 0: for ever.
//
// Values are told as codes: 0 is no value, a positive code is that number, and a negative one names
// a value of another kind (values.js).

const RECORD_BYTES = 32;

const PHASE = { CALL: 1, RETURN: 2, MARK: 3 };

const OP = {
  GET: 1,
  /** argument: the code of the value */
  SET: 2,
  REMOVE: 3,
  HAS: 4,
  /** argument: the step */
  INCR: 5,
  /** returns when granted */
  LOCK: 6,
  /** argument: the seq of the LOCK */
  RELEASE: 7,
  LISTEN: 8,
  /** argument: the seq of the LISTEN */
  UNLISTEN: 9,
  /** all of these: argument: the code of the value */
  ADD: 10,
  REPLACE: 11,
  /** getAndSet */
  EXCHANGE: 12,
  /** getAndRemove */
  TAKE: 13,
  /** compareAndSet; expected: the code of the value that had the version */
  SWAP: 14,
  /** its value is the one that was changed */
  UPDATE: 15,
  /** argument: the ttl in ms */
  TOUCH: 16,
  /** through all keys; not of one key */
  SCAN: 17,
};

/** The operations that set a value. */
const WRITES = new Set([OP.SET, OP.ADD, OP.REPLACE, OP.EXCHANGE, OP.SWAP, OP.UPDATE]);

/** Whether an operation reads or changes the value of a key. @param {number} op */
const isOfValue = (op) => op <= OP.INCR || (op >= OP.ADD && op <= OP.TOUCH);

const OUTCOME = {
  OK: 1,
  /** value: a code */
  VALUE: 2,
  /** value: 1 or 0 */
  TRUTH: 3,
  /** refused, since the key holds no number */
  NOT_A_NUMBER: 4,
  /** ERR_BUSY: nothing was done */
  BUSY: 5,
  /** ERR_CLOSED: nothing was done */
  CLOSED: 6,
  /** anything that should not be; the notes of the thread say what */
  WRONG: 7,
};

const MARK = {
  /** getLock gave its promise; seq: of the LOCK */
  ENQUEUED: 1,
  /** a listener was called; seq: of the LISTEN, value: the code */
  NOTICE: 2,
  /** a listener looked what stands there now; seq: of the GET, value: the code it had heard */
  LOOKED: 8,
  /** the logger said that listeners missed some changes; value: how many */
  SKIPPED: 3,
  /** this thread is about to call close() */
  CLOSING: 4,
  /** this process is about to end itself */
  EXITING: 5,
  /** a thread of this process is about to be terminated; value: its number */
  TERMINATING: 6,
  /** a thread of this process has ended; value: its number */
  ENDED: 7,
};

/** @type {(names: Record<string, number>, number: number) => string} */
function nameOf(names, number) {
  const found = Object.entries(names).find(([, each]) => each === number);
  return found ? found[0].toLowerCase() : `? ${number}`;
}

module.exports = { RECORD_BYTES, PHASE, OP, OUTCOME, MARK, WRITES, isOfValue, nameOf };
