'use strict';

// Sets keys for some time only, and looks whether they are there.

const { KEYS, keysWhere } = require('../keys.js');
const { OP } = require('../records.js');
const { pause } = require('./pause.js');

/** @typedef {import('../member.js').Task} Task */

const ENDS = keysWhere(({ kind }) => kind === 'ends');
const LONGEST_MS = 120;

/** @param {{ pauseMs: number }} pace */
function actOnEnds({ pauseMs }) {
  return async (/** @type {Task} */ task) => {
    if (typeof task.memory.add !== 'function') return;
    const { random, operator, maker } = task;
    while (!task.resting) {
      await task.undisturbed(async () => {
        const key = random.pick(ENDS);
        if (random.chance(0.15)) {
          const argument = maker.code(random.weigh(KEYS[key].sets ?? []));
          const change = { op: OP.SET, key, argument, expected: random.integer(1, LONGEST_MS) };
          if (random.chance(0.5)) operator.now(change);
          else await operator.later(change);
        }
        // More than once, so that the value is kept decoded.
        for (let i = random.integer(1, 4); i > 0; i -= 1)
          operator.now({ op: OP.GET, key, argument: 0 });
        await operator.later({ op: OP.GET, key, argument: 0 });
      });
      await pause(random, pauseMs);
    }
  };
}

module.exports = { actOnEnds };
