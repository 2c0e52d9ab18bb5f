'use strict';

// Adds, replaces, exchanges, takes, updates, and compares and sets.

const { setImmediate: turn } = require('node:timers/promises');
const { KEYS, keysWhere } = require('../keys.js');
const { OP } = require('../records.js');
const { pause } = require('./pause.js');

/** @typedef {import('../member.js').Task} Task */
/** @typedef {import('../calls.js').Order} Order */

const EXCHANGED = keysWhere(({ kind }) => kind === 'exchanged');
const OPS = /** @type {const} */ ([
  [14, OP.GET],
  [6, OP.HAS],
  [8, OP.SET],
  [4, OP.REMOVE],
  [16, OP.ADD],
  [10, OP.REPLACE],
  [12, OP.EXCHANGE],
  [14, OP.TAKE],
  [12, OP.UPDATE],
  [4, OP.TOUCH],
]);
const HOUR_MS = 3_600_000;

/** @param {{ most: number, pauseMs: number }} pace */
function actOnExchanges({ most, pauseMs }) {
  return async (/** @type {Task} */ task) => {
    if (typeof task.memory.add !== 'function') return;
    const { random, operator } = task;
    while (!task.resting) {
      const length = random.integer(1, most);
      await task.undisturbed(async () => {
        const style = random.fraction();
        if (style < 0.3) for (let i = 0; i < length; i += 1) operator.now(order(task));
        else if (style < 0.55) operator.together(Array.from({ length: 8 }, () => order(task)));
        else if (style < 0.8) await swap(task);
        else await atOnce(task);
      });
      await pause(random, pauseMs);
    }
  };
}

/** @param {Task} task @returns {Order} */
function order({ random, maker }) {
  const key = random.pick(EXCHANGED);
  const op = random.weigh(OPS);
  if (op === OP.TOUCH)
    return { op, key, argument: random.pick([HOUR_MS, Number.POSITIVE_INFINITY]) };
  return { op, key, argument: maker.code(random.weigh(KEYS[key].sets ?? [])) };
}

/** @param {Task} task */
async function atOnce(task) {
  const { random, operator } = task;
  const orders = Array.from({ length: random.integer(1, 4) }, () => order(task));
  await Promise.all(
    orders.map((each) => (random.chance(0.3) ? operator.calling(each) : operator.later(each))),
  );
}

/** Reads with the version, and then sets if it still is that. @param {Task} task */
async function swap({ random, operator, maker }) {
  const key = random.pick(EXCHANGED);
  let version = 0;
  const hearVersion = (/** @type {number} */ heard) => {
    version = heard;
  };
  const read = { op: OP.GET, key, argument: 0, hearVersion };
  const expected = random.chance(0.5) ? operator.now(read) : await operator.later(read);
  if (Number.isNaN(expected)) return;
  if (random.chance(0.2)) await turn();
  const argument = maker.code(random.weigh(KEYS[key].sets ?? []));
  const change = { op: OP.SWAP, key, argument, expected, version };
  if (random.chance(0.5)) operator.now(change);
  else await operator.later(change);
}

module.exports = { actOnExchanges };
