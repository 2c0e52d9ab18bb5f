'use strict';

// Reads, sets, removes and counts on few keys, in bursts: alone, together, by promise and callback.

const { KEYS, isThere, keysWhere } = require('../keys.js');
const { OP } = require('../records.js');
const { pause } = require('./pause.js');

/** @typedef {import('../member.js').Task} Task */
/** @typedef {import('../operator.js').Order} Order */

const STORED = keysWhere(({ kind }) => ['values', 'numbers', 'count'].includes(kind));
const USED = keysWhere(({ kind }) => kind === 'lru');
const [HOT] = STORED;

/** @type {Record<string, ReadonlyArray<readonly [number, number]>>} */
const WEIGHTS = {
  values: [
    [45, OP.GET],
    [35, OP.SET],
    [8, OP.REMOVE],
    [8, OP.HAS],
    [4, OP.INCR],
  ],
  numbers: [
    [30, OP.GET],
    [10, OP.SET],
    [5, OP.REMOVE],
    [5, OP.HAS],
    [50, OP.INCR],
  ],
  count: [
    [30, OP.GET],
    [70, OP.INCR],
  ],
  lru: [
    [50, OP.GET],
    [40, OP.SET],
    [10, OP.REMOVE],
  ],
};

/** How long bursts are, and the pauses between them. @typedef {{ most: number, pauseMs: number }} Pace */

/** @param {Pace} pace @returns {(task: Task) => Promise<void>} */
function actOnValues({ most, pauseMs }) {
  return async (task) => {
    const { random, operator } = task;
    while (!task.resting) {
      const length = random.integer(1, most);
      await task.undisturbed(async () => {
        const style = random.fraction();
        if (style < 0.4) for (const order of orders(task, length)) operator.now(order);
        else if (style < 0.75)
          for (let i = 0; i < length; i += 8) operator.together(orders(task, 8));
        else await atOnce(task, orders(task, Math.min(length, 24)));
      });
      await pause(random, pauseMs);
    }
  };
}

/** The LRU by promise and callback; it has no other form. @param {Pace} pace */
function actOnLru({ most, pauseMs }) {
  return async (/** @type {Task} */ task) => {
    if (typeof task.memory.getLRU !== 'function') return;
    while (!task.resting) {
      const length = task.random.integer(1, most);
      await task.undisturbed(() =>
        atOnce(
          task,
          Array.from({ length }, () => order(task, task.random.pick(USED))),
        ),
      );
      await pause(task.random, pauseMs);
    }
  };
}

/** A few that are under way at the same time. @type {(task: Task, list: Order[]) => Promise<void>} */
async function atOnce({ random, operator }, list) {
  for (let left = list; left.length > 0; ) {
    const count = random.integer(1, 3);
    await Promise.all(
      left
        .slice(0, count)
        .map((each) => (random.chance(0.3) ? operator.calling(each) : operator.later(each))),
    );
    left = left.slice(count);
  }
}

/** @type {(task: Task, length: number) => Order[]} */
function orders(task, length) {
  const stored = STORED.filter((key) => isThere(task.memory, key));
  return Array.from({ length }, () =>
    order(task, task.random.chance(0.3) ? HOT : task.random.pick(stored)),
  );
}

/** @type {(task: Task, key: number) => Order} */
function order({ random, maker }, key) {
  const { kind, sets } = KEYS[key];
  const op = random.weigh(WEIGHTS[kind]);
  if (op === OP.SET && sets) return { op, key, argument: maker.code(random.weigh(sets)) };
  return { op, key, argument: op === OP.INCR ? random.integer(1, 3) : 0 };
}

module.exports = { actOnValues, actOnLru };
