'use strict';

// The pauses between what an actor does: mostly just a turn of the event loop, sometimes longer.

const { setTimeout: sleep, setImmediate: turn } = require('node:timers/promises');

/** @type {(random: InstanceType<typeof import('../random.js').Random>, longestMs: number) => Promise<void>} */
async function pause(random, longestMs) {
  if (longestMs === 0 || random.chance(0.3)) await turn();
  else await sleep(random.integer(1, longestMs));
}

module.exports = { pause, sleep };
