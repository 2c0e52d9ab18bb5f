'use strict';

// What the soak finds wrong with conditions, exchanges and keys that end.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { checkEnds } = require('../soak/checks/ends.js');
const { callsByKey, readHistory } = require('../soak/history.js');
const { keysWhere } = require('../soak/keys.js');
const { check } = require('../soak/linearizability.js');
const { register, witnessed } = require('../soak/models.js');
const { Recorder } = require('../soak/recorder.js');
const { OP, OUTCOME } = require('../soak/records.js');

/** @typedef {import('../soak/history.js').Call} Call */

const LIMIT = { timeout: 20_000 };
const MS = 1e6;
const [SHORT] = keysWhere(({ kind }) => kind === 'ends');

/** @type {(op: number, call: number, details?: Partial<Call>) => Call} */
const made = (op, call, details = {}) => ({
  ...{ member: '1.0', seq: call, op, key: SHORT, argument: 0, call, ret: call + 1 },
  ...{ lost: false, outcome: OUTCOME.OK, value: 0, enqueued: Number.NaN },
  ...details,
});
/** @type {(op: number, call: number, done: boolean, details?: Partial<Call>) => Call} */
const told = (op, call, done, details) =>
  made(op, call, { outcome: OUTCOME.TRUTH, value: Number(done), ...details });
/** @type {(op: number, call: number, value: number, details?: Partial<Call>) => Call} */
const gave = (op, call, value, details) =>
  made(op, call, { outcome: OUTCOME.VALUE, value, ...details });

/** @param {Call[]} calls */
const isLegal = (...calls) => check(calls, register).legal;

test('an add is right only where there is nothing', LIMIT, () => {
  const [set, again] = [{ argument: -1 }, { argument: -2 }];
  assert.equal(isLegal(told(OP.ADD, 0, true, set), told(OP.ADD, 5, false, again)), true);
  assert.equal(isLegal(told(OP.ADD, 0, true, set), told(OP.ADD, 5, true, again)), false);
  assert.equal(isLegal(told(OP.ADD, 0, false, set)), false);
  const { ret, ...rest } = told(OP.ADD, 0, true, set);
  assert.equal(isLegal({ ...rest, ret: 9 }, told(OP.ADD, 5, true, again)), false, 'at once');
});

test('a replace is right only where there is something', LIMIT, () => {
  const set = made(OP.SET, 0, { argument: -1 });
  const get = (/** @type {number} */ value) => gave(OP.GET, 9, value);
  assert.equal(isLegal(set, told(OP.REPLACE, 5, true, { argument: -2 }), get(-2)), true);
  assert.equal(isLegal(told(OP.REPLACE, 5, false, { argument: -2 }), get(0)), true);
  assert.equal(isLegal(set, told(OP.REPLACE, 5, false, { argument: -2 })), false);
  assert.equal(isLegal(told(OP.REPLACE, 5, true, { argument: -2 })), false);
});

test('a swap is right only where its value stands', LIMIT, () => {
  const set = made(OP.SET, 0, { argument: -1 });
  const swap = (/** @type {number} */ expected, /** @type {boolean} */ done) =>
    told(OP.SWAP, 5, done, { argument: -2, expected });
  assert.equal(isLegal(set, swap(-1, true), gave(OP.GET, 9, -2)), true);
  assert.equal(isLegal(set, swap(-3, false), gave(OP.GET, 9, -1)), true);
  assert.equal(isLegal(set, swap(-1, false)), false);
  assert.equal(isLegal(set, swap(-3, true)), false);
  assert.equal(isLegal(swap(0, true), gave(OP.GET, 9, -2)), true);
});

test('each value is exchanged or taken by one', LIMIT, () => {
  const set = made(OP.SET, 0, { argument: -1 });
  const exchange = gave(OP.EXCHANGE, 5, -1, { argument: -2 });
  assert.equal(isLegal(set, exchange, gave(OP.TAKE, 9, -2), gave(OP.TAKE, 15, 0)), true);
  assert.equal(isLegal(set, exchange, gave(OP.TAKE, 9, -1)), false);
  assert.equal(isLegal(set, gave(OP.TAKE, 5, -1), gave(OP.TAKE, 5, -1)), false);
  assert.equal(isLegal(set, gave(OP.UPDATE, 5, 0, { argument: -2 })), false);
  assert.equal(isLegal(set, told(OP.TOUCH, 5, false)), false);
});

test('a lost exchange may have happened or not', LIMIT, () => {
  const set = made(OP.SET, 0, { argument: -1 });
  for (const op of [OP.EXCHANGE, OP.UPDATE, OP.REPLACE]) {
    const lost = made(op, 5, { argument: -2, lost: true, ret: 20, outcome: 0 });
    for (const value of [-1, -2]) assert.equal(isLegal(set, lost, gave(OP.GET, 30, value)), true);
    assert.equal(isLegal(set, lost, gave(OP.GET, 30, -3)), false);
  }
});

test('what listeners heard of exchanges must be what happened', LIMIT, () => {
  const calls = [
    told(OP.ADD, 0, true, { argument: -1 }),
    told(OP.ADD, 3, false, { argument: -9 }),
    gave(OP.EXCHANGE, 6, -1, { argument: -2 }),
    gave(OP.TAKE, 9, -2),
    gave(OP.TAKE, 12, 0),
  ];
  assert.equal(check(calls, witnessed([0, -1, -2, 0])).legal, true);
  assert.equal(check(calls, witnessed([0, -1, -9, -2, 0])).legal, false);
  assert.equal(check(calls, witnessed([0, -1, 0])).legal, false);
});

/** @param {Call[]} calls */
const endsWrong = (...calls) => checkEnds(new Map([[SHORT, calls]])).violations.join();
const SET = made(OP.SET, 0, { argument: -1, expected: 10 });

test('a value that is given until its end, and not afterwards, is right', LIMIT, () => {
  const at = (/** @type {number} */ ms, /** @type {number} */ value) =>
    gave(OP.GET, ms * MS, value);
  assert.equal(endsWrong(SET, at(5, -1), at(10, -1), at(10, 0), at(20, 0)), '');
  assert.match(endsWrong(SET, at(12, -1)), /after its end/);
  assert.match(endsWrong(SET, at(5, 0)), /before its end/);
  assert.match(endsWrong(SET, at(5, -7)), /nobody had set/);
});

test('a later set takes the place of a value and of its end', LIMIT, () => {
  const at = (/** @type {number} */ ms, /** @type {number} */ value) =>
    gave(OP.GET, ms * MS, value);
  const next = made(OP.SET, 2 * MS, { argument: -2, expected: 2 });
  assert.equal(endsWrong(SET, next, at(1, -1), at(3, -2), at(6, 0)), '');
  assert.match(endsWrong(SET, next, at(3, -1)), /newer one was set/);
  const lost = { ...next, lost: true, ret: 3 * MS };
  assert.equal(endsWrong(SET, lost, at(4, -1), at(8, -1)), '');
  assert.equal(endsWrong(SET, lost, at(6, 0)), '');
});

test('what a swap expects, and the ttl of a set, are read from the records', LIMIT, () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'soak-'));
  try {
    const recorder = new Recorder(path.join(folder, '1.0'), process.hrtime.bigint());
    const seq = recorder.call(OP.SWAP, SHORT, -2, -1);
    recorder.returned(seq, 5, 6, OUTCOME.TRUTH, 1);
    recorder.call(OP.SCAN, SHORT);
    recorder.close();
    const calls = callsByKey(readHistory(folder)).get(SHORT);
    assert.equal(calls?.length, 1);
    const [{ op, argument, expected, call, ret, value }] = /** @type {Call[]} */ (calls);
    assert.deepEqual([op, argument, expected, call, ret, value], [OP.SWAP, -2, -1, 5, 6, 1]);
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});
