'use strict';

// Timing: how long one of many equal calls takes, in rounds that take turns, so that what disturbs
// the machine for a while disturbs all scenarios alike.

/** How long a round of one scenario takes. */
const ROUND_MS = 60;

/**
 * Calls `run(calls)` so often that it takes about a round; gives ns a call.
 * @param {(calls: number) => void | Promise<void>} run
 * @param {number} calls as many as take about a round
 */
async function nanoseconds(run, calls) {
  const start = process.hrtime.bigint();
  await run(calls);
  return Number(process.hrtime.bigint() - start) / calls;
}

/**
 * How many calls take about a round. Warms up on the way.
 * @param {(calls: number) => void | Promise<void>} run
 */
async function calibrate(run) {
  let calls = 1000;
  for (;;) {
    const took = (await nanoseconds(run, calls)) * calls;
    if (took > ROUND_MS * 5e5) return Math.ceil((calls * ROUND_MS * 1e6) / took);
    calls *= 2;
  }
}

/**
 * ns a call for each scenario and round.
 * @param {Record<string, (calls: number) => void | Promise<void>>} scenarios
 * @param {number} rounds
 */
async function inTurns(scenarios, rounds) {
  /** @type {Record<string, number[]>} */
  const took = {};
  /** @type {Record<string, number>} */
  const calls = {};
  for (const [name, run] of Object.entries(scenarios)) {
    calls[name] = await calibrate(run);
    took[name] = [];
  }
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, run] of Object.entries(scenarios)) {
      took[name].push(await nanoseconds(run, calls[name]));
    }
  }
  return took;
}

/** @param {number[]} figures */
function median(figures) {
  const sorted = [...figures].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)];
}

module.exports = { inTurns, median };
