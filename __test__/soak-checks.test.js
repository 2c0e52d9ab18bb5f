'use strict';

// What the soak reads from its records, and what it finds wrong with locks, listeners and counts.

const assert = require('node:assert/strict');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { test } = require('node:test');
const { checkListeners } = require('../soak/checks/listeners.js');
const { checkLocks } = require('../soak/checks/locks.js');
const { checkValues } = require('../soak/checks/values.js');
const { callsByKey, readHistory } = require('../soak/history.js');
const { keysWhere } = require('../soak/keys.js');
const { Recorder } = require('../soak/recorder.js');
const { MARK, OP, OUTCOME, RECORD_BYTES } = require('../soak/records.js');
const { ALL, Maker, toCode, toValue } = require('../soak/values.js');

/** @typedef {import('../soak/history.js').Call} Call */
/** @typedef {import('../soak/history.js').Member} Member */

const LIMIT = { timeout: 20_000 };
const EVER = Number.POSITIVE_INFINITY;
const [HOT] = keysWhere(({ watched }) => watched);
const [GUARDED] = keysWhere(({ kind }) => kind === 'guarded');
const [COUNT] = keysWhere(({ kind }) => kind === 'count');

/** @type {(name: string, calls: Array<Partial<Call>>, more?: Partial<Member>) => Member} */
function member(name, calls, more = {}) {
  const [worker, thread] = name.split('.').map(Number);
  const whole = calls.map((call, i) => ({
    ...{ member: name, seq: i + 1, op: 0, key: HOT, argument: 0, call: 0, ret: EVER },
    ...{ lost: call.ret === undefined, value: 0, enqueued: Number.NaN },
    ...{ outcome: call.ret === undefined ? 0 : OUTCOME.OK },
    ...call,
  }));
  const bySeq = new Map(whole.map((call) => [call.seq, call]));
  return { name, worker, thread, calls: bySeq, marks: [], livedUntil: EVER, lastAt: EVER, ...more };
}

/** @type {(call: number, enqueued: number, ret: number) => Partial<Call>} */
const lock = (call, enqueued, ret) => ({ op: OP.LOCK, key: GUARDED, call, enqueued, ret });
/** @type {(call: number, lock: number) => Partial<Call>} */
const release = (call, lock) => ({
  ...{ op: OP.RELEASE, key: GUARDED, argument: lock },
  ...{ call, ret: call + 1 },
});
/** @type {(call: number, value: number) => Partial<Call>} */
const set = (call, value) => ({ op: OP.SET, argument: value, call, ret: call + 2 });

test('holders of a lock one after the other, in order, are right', LIMIT, () => {
  const { violations, figures } = checkLocks([
    member('1.0', [lock(0, 1, 2), release(10, 1), lock(12, 13, 40), release(50, 3)]),
    member('2.0', [lock(3, 4, 12), release(20, 1)]),
    member('3.0', [lock(3, 5, 22), release(30, 1)]),
  ]);
  assert.deepEqual(violations, []);
  assert.equal(figures.grants, 4);
});

test('two holders at once are found', LIMIT, () => {
  const { violations } = checkLocks([
    member('1.0', [lock(0, 1, 2), release(10, 1)]),
    member('2.0', [lock(3, 4, 9), release(20, 1)]),
  ]);
  assert.match(violations.join(), /at once/);
});

test('a holder that was killed holds its lock until the kill', LIMIT, () => {
  const killed = member('1.0', [lock(0, 1, 2)], { livedUntil: 50, lastAt: 55 });
  assert.deepEqual(
    checkLocks([killed, member('2.0', [lock(3, 4, 51), release(60, 1)])]).violations,
    [],
  );
  assert.match(checkLocks([killed, member('2.0', [lock(3, 4, 49)])]).violations.join(), /at once/);
});

test('who asked later and was granted before is found, who only may have is not', LIMIT, () => {
  const early = member('1.0', [lock(0, 5, 40), release(50, 1)]);
  const late = member('2.0', [lock(6, 8, 20), release(30, 1)]);
  assert.match(checkLocks([early, late]).violations.join(), /not granted in order/);
  const perhaps = member('2.0', [lock(4, 8, 20), release(30, 1)]);
  assert.deepEqual(checkLocks([early, perhaps]).violations, []);
});

test('a waiter that died, or was refused, is overtaken rightly', LIMIT, () => {
  const { violations } = checkLocks([
    member('1.0', [{ op: OP.LOCK, key: GUARDED, call: 0, enqueued: 1 }], { livedUntil: 10 }),
    member('2.0', [{ ...lock(0, 1, 9), outcome: OUTCOME.BUSY }]),
    member('3.0', [lock(3, 4, 12), release(20, 1)]),
  ]);
  assert.deepEqual(violations, []);
});

test('a lock that a thread hears of when it has begun to close counts as none', LIMIT, () => {
  const closing = { key: 0, seq: 0, what: MARK.CLOSING, time: 7, value: 0 };
  const closed = member('1.0', [lock(0, 1, 30)], { livedUntil: 7, marks: [closing] });
  const { violations } = checkLocks([closed, member('2.0', [lock(5, 6, 20), release(40, 1)])]);
  assert.deepEqual(violations, []);
});

const SETS = [set(10, -1), set(20, -2), set(30, -3), set(40, -4)];

/** Who listened from a time on, and what it heard. @type {(name: string, since: number, heard: number[], more?: Partial<Member>) => Member} */
function listener(name, since, heard, more = {}) {
  const call = { seq: 1000, op: OP.LISTEN, call: since - 1, ret: since };
  const others = name === '0.0' ? SETS : [];
  const marks = heard.map((value) => mark(MARK.NOTICE, value));
  return member(name, [...others, call], { ...more, marks: [...marks, ...(more.marks ?? [])] });
}

/** @type {(what: number, value: number) => import('../soak/history.js').Mark} */
const mark = (what, value) => ({ key: HOT, seq: 1000, what, time: 0, value });

/** @param {Member[]} members */
function heardWrong(...members) {
  const history = { members, faults: [], notes: [], said: [] };
  return checkListeners(members, callsByKey(history)).violations.join('\n');
}

const WITNESS = listener('0.0', 1, [-1, -2, -3, -4]);

test('listeners that heard all since they began are right', LIMIT, () => {
  assert.equal(heardWrong(WITNESS, listener('1.0', 2, [-1, -2, -3, -4])), '');
  assert.equal(heardWrong(WITNESS, listener('1.0', 25, [-3, -4])), '');
  assert.equal(heardWrong(WITNESS, listener('1.0', 21, [-2, -3, -4])), '', 'while it was set');
  assert.equal(heardWrong(WITNESS, listener('1.0', 21, [-3, -4])), '', 'while it was set');
  assert.equal(heardWrong(WITNESS, listener('1.0', 43, [])), '', 'after the last change');
  assert.equal(heardWrong(WITNESS, listener('1.0', 2, [-1, -2], { livedUntil: 35 })), '', 'killed');
});

test('listeners that missed, doubled or mixed something up are found', LIMIT, () => {
  for (const heard of [
    [-1, -2, -4],
    [-1, -3, -2, -4],
    [-1, -1, -2, -3, -4],
    [-1, -2, -9],
  ]) {
    assert.match(heardWrong(WITNESS, listener('1.0', 2, heard)), /true order/, String(heard));
  }
  assert.match(heardWrong(WITNESS, listener('1.0', 2, [-2, -3, -4])), /did not begin with/);
  assert.match(heardWrong(WITNESS, listener('1.0', 35, [-1, -2, -3, -4])), /did not begin with/);
  assert.match(heardWrong(WITNESS, listener('1.0', 2, [-1, -2, -3])), /last change/);
  assert.match(heardWrong(WITNESS, listener('1.0', 2, [])), /heard nothing/);
});

test('a listener may miss as many as it was told to have missed', LIMIT, () => {
  const told = { marks: [mark(MARK.SKIPPED, 1)] };
  assert.equal(heardWrong(WITNESS, listener('1.0', 2, [-1, -2, -4], told)), '');
  assert.match(heardWrong(WITNESS, listener('1.0', 2, [-1, -4], told)), /true order/);
  // It is told once a second at most, so who is killed within that has not heard of all.
  for (const [livedUntil, wrong] of /** @type {const} */ ([
    [5e8, /^$/],
    [5e9, /true order/],
  ])) {
    const killed = listener('1.0', 2, [-1, -4], { ...told, livedUntil });
    assert.match(heardWrong(WITNESS, killed), wrong);
  }
});

test('what the primary heard is held against the values', LIMIT, () => {
  assert.match(heardWrong(listener('0.0', 1, [-2, -1, -3, -4])), /in the primary heard/);
  assert.match(heardWrong(listener('0.0', 1, [-1, -2, -4])), /in the primary heard/);
  assert.match(heardWrong(listener('0.0', 1, [-1, -2, -3, -4, -4])), /that nobody made/);
});

test('where all missed something, listeners must agree with each other and the time', LIMIT, () => {
  const told = { marks: [mark(MARK.SKIPPED, 9)] };
  const witness = listener('0.0', 1, [-1, -4], told);
  assert.equal(heardWrong(witness, listener('1.0', 2, [-2, -4], told)), '');
  assert.match(heardWrong(witness, listener('1.0', 2, [-2, -1], told)), /disagree/);
  assert.match(heardWrong(witness, listener('1.0', 2, [-2, -2], told)), /twice/);
  assert.match(heardWrong(witness, listener('1.0', 2, [-8], told)), /nobody set/);
});

/** Nobody listens all the while: each of some heard a part. @type {(...heard: number[][]) => { violations: string, orders: number }} */
function heardInTurns(...heard) {
  const bounds = [
    [5, 25],
    [15, 35],
    [26, EVER],
  ];
  const turns = heard.map((values, i) => {
    const [since, livedUntil] = bounds[i];
    return listener(`${i + 1}.0`, since, values, { livedUntil });
  });
  const members = [member('9.0', SETS), ...turns];
  const byKey = callsByKey({ members, faults: [], notes: [], said: [] });
  const { violations, figures } = checkListeners(members, byKey);
  return { violations: violations.join('\n'), orders: figures.witnessed };
}

test(
  'without a primary the true order is pieced together of what some heard in turns',
  LIMIT,
  () => {
    const right = { violations: '', orders: 1 };
    assert.deepEqual(heardInTurns([-1, -2], [-2, -3], [-3, -4]), right);
    assert.match(heardInTurns([-1, -2], [-2, -4], [-4]).violations, /not what its listeners heard/);
    assert.match(heardInTurns([-1, -2], [-2, -3], [-4, -3]).violations, /true order|disagree/);
    assert.match(heardInTurns([-1, -2], [-2, -3, -4], [-3]).violations, /last change/);
    assert.match(heardInTurns([-2], [-2, -3], [-3, -4]).violations, /not what its listeners heard/);
  },
);

test('where the pieces do not meet, listeners must still agree with each other', LIMIT, () => {
  const unknown = { violations: '', orders: 0 };
  assert.deepEqual(heardInTurns([-1], [-2], [-3, -4]), unknown);
  assert.match(heardInTurns([-1, -2], [], [-4, -3]).violations, /disagree/);
});

test('get in a listener gives what was heard or something newer', LIMIT, () => {
  /** @param {number} value */
  const looking = (value) => {
    const get = { seq: 7, op: OP.GET, call: 30, ret: 50, outcome: OUTCOME.VALUE, value };
    const listening = { seq: 1000, op: OP.LISTEN, call: 1, ret: 2 };
    const marks = [-1, -2, -3, -4].map((code) => mark(MARK.NOTICE, code));
    return member('1.0', [get, listening], {
      marks: [...marks, { ...mark(MARK.LOOKED, -3), seq: 7 }],
    });
  };
  assert.equal(heardWrong(WITNESS, looking(-3)), '');
  assert.equal(heardWrong(WITNESS, looking(-4)), '');
  assert.match(heardWrong(WITNESS, looking(-2)), /looked/);
});

test('a count may end between what was acknowledged and what was begun', LIMIT, () => {
  /** @param {number} end */
  const counted = (end) => {
    const step = { op: OP.INCR, key: COUNT, argument: 1 };
    const known = { ...step, call: 0, ret: 1, outcome: OUTCOME.VALUE, value: 1 };
    const read = { op: OP.GET, key: COUNT, outcome: OUTCOME.VALUE, value: end, call: 50, ret: 51 };
    const members = [member('1.0', [known, { ...step, call: 2 }, read])];
    return checkValues(callsByKey({ members, faults: [], notes: [], said: [] })).violations.length;
  };
  assert.deepEqual([0, 1, 2, 3].map(counted), [1, 0, 0, 1]);
});

test(
  'records are read back; a process that died leaves a lost call and bounds of its end',
  LIMIT,
  (t) => {
    const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'soak-records-'));
    t.after(() => fs.rmSync(folder, { recursive: true }));
    const recorder = new Recorder(path.join(folder, '3.0'), process.hrtime.bigint());
    const read = recorder.call(OP.GET, HOT);
    recorder.returned(read, 10, 20, OUTCOME.VALUE, -5);
    recorder.call(OP.SET, HOT, -6);
    recorder.returned(2, 30, 40, OUTCOME.OK);
    recorder.note('something\nodd');
    // As a kill leaves it: the return was not written, and the next record is not whole.
    const half = Buffer.alloc(RECORD_BYTES / 2, 1);
    fs.appendFileSync(path.join(folder, '3.0.bin'), half);
    const died = [
      { worker: 3, what: 'kill', time: 500 },
      { worker: 3, what: 'exit', time: 600 },
    ];
    const lines = died.map((each) => `${JSON.stringify(each)}\n`).join('');
    fs.writeFileSync(path.join(folder, 'faults.jsonl'), `${lines}{"worker":`);

    const { members, faults, notes } = readHistory(folder);
    const [{ calls, livedUntil, lastAt }] = members;
    const [first, second, ...none] = calls.values();
    assert.deepEqual(none, []);
    assert.deepEqual([first.op, first.call, first.ret, first.value], [OP.GET, 10, 20, -5]);
    assert.deepEqual(
      [second.op, second.argument, second.lost, second.ret],
      [OP.SET, -6, true, 600],
    );
    assert.deepEqual([livedUntil, lastAt], [500, 600]);
    assert.deepEqual([faults, notes], [died, ['3.0: something\nodd']]);
  },
);

test('values are known again, and a value that is not whole is not', LIMIT, () => {
  const maker = new Maker(7, 1);
  const seen = new Set();
  for (const [, kind] of ALL) {
    const code = maker.code(kind);
    const value = toValue(code);
    assert.equal(toCode(value), code);
    seen.add(code);
    if (typeof value === 'string') assert.ok(Number.isNaN(toCode(`${value.slice(0, -1)}!`)));
  }
  assert.equal(seen.size, ALL.length);
  assert.equal(toCode(undefined), 0);
  for (const odd of [null, {}, '', 'x', Number.NaN, true, new Uint8Array(9), { id: 5 }]) {
    assert.ok(Number.isNaN(toCode(odd)));
  }
});
