'use strict';

// The checker of the soak, on histories that are known to be right or wrong.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { check } = require('../soak/linearizability.js');
const { register, witnessed } = require('../soak/models.js');
const { Random } = require('../soak/random.js');
const { OP, OUTCOME } = require('../soak/records.js');

/** @typedef {import('../soak/linearizability.js').Operation} Operation */

const LIMIT = { timeout: 60_000 };

/** @type {(op: number, call: number, ret: number, outcome: number, argument: number, value: number) => Operation} */
function operation(op, call, ret, outcome, argument, value) {
  return { op, call, ret, outcome, argument, value, lost: false };
}

/** @type {(call: number, ret: number, value: number) => Operation} */
const set = (call, ret, value) => operation(OP.SET, call, ret, OUTCOME.OK, value, 0);
/** @type {(call: number, ret: number) => Operation} */
const remove = (call, ret) => operation(OP.REMOVE, call, ret, OUTCOME.OK, 0, 0);
/** @type {(call: number, ret: number, value: number) => Operation} */
const get = (call, ret, value) => operation(OP.GET, call, ret, OUTCOME.VALUE, 0, value);
/** @type {(call: number, ret: number, is: boolean) => Operation} */
const has = (call, ret, is) => operation(OP.HAS, call, ret, OUTCOME.TRUTH, 0, Number(is));
/** @type {(call: number, ret: number, by: number, sum: number) => Operation} */
const incr = (call, ret, by, sum) => operation(OP.INCR, call, ret, OUTCOME.VALUE, by, sum);
/** @type {(call: number, ret: number) => Operation} */
const refused = (call, ret) => operation(OP.INCR, call, ret, OUTCOME.NOT_A_NUMBER, 1, 0);
/** Of a process that died at `ret`. @param {Operation} each @returns {Operation} */
const lost = (each) => ({ ...each, outcome: 0, value: 0, lost: true });

/** @type {(operations: Operation[], model?: typeof register) => boolean} */
const legal = (operations, model = register) => check(operations, model).legal;

test('one after the other is legal', LIMIT, () => {
  assert.ok(legal([]));
  assert.ok(legal([get(0, 1, 0), has(2, 3, false), set(4, 5, -7), get(6, 7, -7), has(8, 9, true)]));
  assert.ok(legal([set(0, 1, -7), remove(2, 3), get(4, 5, 0), incr(6, 7, 2, 2), incr(8, 9, 3, 5)]));
  assert.ok(legal([set(0, 1, -7), refused(2, 3), set(4, 5, 10), incr(6, 7, 1, 11)]));
});

test('what was open at once may have happened in any order', LIMIT, () => {
  const both = [set(0, 10, -1), set(0, 10, -2)];
  assert.ok(legal([...both, get(11, 12, -1)]));
  assert.ok(legal([...both, get(11, 12, -2)]));
  assert.ok(legal([...both, get(1, 2, 0), get(3, 4, -2), get(5, 6, -1)]));
  assert.ok(legal([set(0, 10, -1), get(1, 2, 0), get(3, 4, -1)]));
  assert.ok(legal([incr(0, 9, 1, 2), incr(1, 8, 1, 1), incr(2, 7, 1, 3)]));
  assert.ok(legal([set(0, 9, -1), remove(1, 8), has(2, 3, true), has(4, 5, false)]));
});

test('what returns at the moment of another call may have been at once with it', LIMIT, () => {
  assert.ok(legal([set(0, 5, -1), get(5, 6, 0)]));
  assert.ok(!legal([set(0, 4, -1), get(5, 6, 0)]));
});

test('a stale read is refused', LIMIT, () => {
  assert.ok(!legal([set(0, 1, -1), get(2, 3, 0)]));
  assert.ok(!legal([set(0, 1, -1), set(2, 3, -2), get(4, 5, -1)]));
  assert.ok(!legal([set(0, 1, -1), remove(2, 3), has(4, 5, true)]));
  assert.ok(!legal([set(0, 1, -1), get(2, 3, -2)]), 'a value that nobody set');
});

test('reads that see a new value and then the old one are refused', LIMIT, () => {
  assert.ok(!legal([set(0, 10, -1), get(1, 2, -1), get(3, 4, 0)]));
  const both = [set(0, 10, -1), set(0, 10, -2)];
  assert.ok(!legal([...both, get(1, 2, -1), get(3, 4, -2), get(5, 6, -1)]));
  assert.ok(!legal([...both, get(11, 12, -1), get(13, 14, -2)]));
});

test('counts that were lost or doubled are refused', LIMIT, () => {
  assert.ok(!legal([incr(0, 9, 1, 1), incr(1, 8, 1, 1)]));
  assert.ok(!legal([incr(0, 1, 1, 1), incr(2, 3, 1, 3)]));
  assert.ok(!legal([incr(0, 1, 1, 1), incr(2, 3, 1, 2), get(4, 5, 1)]));
  assert.ok(!legal([set(0, 1, -1), incr(2, 3, 1, 1)]), 'of what is no number');
  assert.ok(!legal([set(0, 1, 5), refused(2, 3)]), 'of what is a number');
});

test('what was under way when its process was killed may have happened or not', LIMIT, () => {
  const killed = [set(0, 1, -1), lost(set(2, 20, -2))];
  assert.ok(legal([...killed, get(3, 4, -1), get(30, 31, -1)]));
  assert.ok(legal([...killed, get(3, 4, -2), get(30, 31, -2)]));
  assert.ok(legal([...killed, get(3, 4, -1), get(5, 6, -2), get(30, 31, -2)]));
  assert.ok(legal([lost(incr(0, 20, 1, 0)), incr(1, 2, 1, 1), incr(30, 31, 1, 3)]));
  assert.ok(legal([lost(incr(0, 20, 1, 0)), incr(1, 2, 1, 1), incr(30, 31, 1, 2)]));
  assert.ok(legal([set(0, 1, -1), lost(remove(2, 20)), has(3, 4, true), has(30, 31, false)]));
  assert.ok(legal([set(0, 1, -1), lost(get(2, 20, 0)), lost(incr(2, 20, 1, 0)), get(30, 31, -1)]));
});

test(
  'what was under way when its process was killed happens once, and not after the death',
  LIMIT,
  () => {
    const killed = [set(0, 1, -1), lost(set(2, 20, -2))];
    assert.ok(!legal([...killed, get(3, 4, -2), get(5, 6, -1)]));
    assert.ok(!legal([...killed, get(21, 22, -1), get(23, 24, -2)]));
    assert.ok(!legal([...killed, get(3, 4, -2), set(5, 6, -3), get(7, 8, -2)]));
    assert.ok(!legal([lost(incr(0, 20, 1, 0)), get(1, 2, 1), get(3, 4, 2)]));
    assert.ok(!legal([lost(set(5, 20, -1)), get(1, 2, -1)]), 'nor before its call');
  },
);

test('a dead process of which nobody knows the end may still take effect', LIMIT, () => {
  const killed = [set(0, 1, -1), lost(set(2, Number.POSITIVE_INFINITY, -2))];
  assert.ok(legal([...killed, get(21, 22, -1), get(23, 24, -2)]));
});

test('the operation that nothing explains is named', LIMIT, () => {
  const wrong = get(4, 5, -1);
  const { culprit, states, open } = check(
    [set(0, 1, -1), set(2, 3, -2), wrong, set(4, 9, -3)],
    register,
  );
  assert.equal(culprit, wrong);
  assert.deepEqual(states, [-2]);
  assert.equal(open?.length, 2);
});

test('an order that a listener heard is held against the operations', LIMIT, () => {
  const changes = [set(0, 10, -1), set(0, 10, -2), remove(20, 21), incr(22, 23, 3, 3)];
  assert.ok(legal(changes, witnessed([0, -1, -2, 0, 3])));
  assert.ok(legal(changes, witnessed([0, -2, -1, 0, 3])));
  assert.ok(!legal(changes, witnessed([0, -1, -2, 3])), 'a change was not heard');
  assert.ok(!legal(changes, witnessed([0, -1, -2, 3, 0])), 'in a wrong order');
  assert.ok(!legal([...changes, get(11, 12, -2)], witnessed([0, -2, -1, 0, 3])), 'a read says no');
  assert.ok(legal([...changes, get(11, 12, -2)], witnessed([0, -1, -2, 0, 3])));
  const dead = [lost(set(0, 10, -1)), set(2, 3, -2)];
  assert.deepEqual(check(dead, witnessed([0, -2])).states, [1]);
  assert.ok(check(dead, witnessed([0, -1, -2])).states.includes(2));
});

test('it decides as a search through all orders does', LIMIT, () => {
  const random = new Random(3);
  const counts = { true: 0, false: 0 };
  for (let i = 0; i < 20_000; i += 1) {
    const some = Array.from({ length: random.integer(1, 6) }, () => anyOperation(random));
    const expected = someOrderFits(some, 0);
    counts[`${expected}`] += 1;
    assert.equal(legal(some), expected, JSON.stringify(some));
  }
  assert.ok(counts.true > 1000 && counts.false > 1000, JSON.stringify(counts));
});

/** @param {InstanceType<typeof Random>} random */
function anyOperation(random) {
  const call = random.integer(0, 20);
  const ret = call + random.integer(1, 12);
  const value = random.pick([0, -1, -2, 1, 2]);
  const each = random.pick([
    set(call, ret, random.pick([-1, -2, 1])),
    set(call, ret, random.pick([-1, -2, 1])),
    remove(call, ret),
    get(call, ret, value),
    has(call, ret, random.chance(0.5)),
    incr(call, ret, 1, random.integer(1, 3)),
    refused(call, ret),
  ]);
  return random.chance(0.25) && each.outcome !== OUTCOME.NOT_A_NUMBER ? lost(each) : each;
}

/** Tries all orders. @type {(left: Operation[], state: number) => boolean} */
function someOrderFits(left, state) {
  if (left.every((each) => each.lost)) return true;
  return left.some((first) => {
    const others = left.filter((each) => each !== first);
    if (first.lost && someOrderFits(others, state)) return true;
    // Of two, that which returned before the other was called comes first, if it happened at all.
    if (others.some((each) => each.ret < first.call && !each.lost)) return false;
    const next = register.step(state, first);
    const possible = others.filter((each) => !(each.lost && each.ret < first.call));
    return next !== undefined && someOrderFits(possible, next);
  });
}

test(
  'a hundred thousand operations of eight threads are decided, and one wrong read is found',
  LIMIT,
  () => {
    const operations = simulate(new Random(5), 100_000);
    const verdict = check(operations, register);
    assert.ok(verdict.legal && verdict.decided);
    assert.ok(verdict.windows > 10 && verdict.widest >= 5, JSON.stringify(verdict));
    const reads = operations.filter(({ op, value }) => op === OP.GET && value < 0);
    const wrong = reads[Math.floor(reads.length * 0.8)];
    const { legal: passed, culprit } = check(
      operations.map((each) => (each === wrong ? { ...each, value: reads[10].value } : each)),
      register,
    );
    assert.equal(passed, false);
    assert.ok(Number(culprit?.ret) >= wrong.ret);
  },
);

/** Threads that work beside each other on one register. @type {(random: InstanceType<typeof Random>, count: number) => Operation[]} */
function simulate(random, count) {
  /** @type {Operation[]} */
  const operations = [];
  const free = Array.from({ length: 8 }, () => 0);
  let state = 0;
  // The moments at which operations happen are a unit apart; each lies within its operation.
  for (let now = 10; operations.length < count; now += 1) {
    const thread = random.integer(0, free.length - 1);
    if (free[thread] >= now) continue;
    const call = Math.max(free[thread], now - random.fraction() * 4);
    const ret = now + random.fraction() * (random.chance(0.001) ? 300 : 4);
    free[thread] = ret;
    const kind = random.fraction();
    if (kind < 0.4) {
      operations.push(set(call, ret, -operations.length - 1));
      state = -operations.length;
    } else if (kind < 0.45) {
      operations.push(remove(call, ret));
      state = 0;
    } else operations.push(get(call, ret, state));
  }
  return operations;
}
