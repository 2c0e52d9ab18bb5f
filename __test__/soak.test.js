'use strict';

// Short soaks, as "npm run soak" does long ones: real workers do everything at random, some are
// killed, stopped and sent away, and what they recorded must be explained.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { runNode } = require('./helpers.js');

const SECONDS = 8;
const WATCHDOG_MS = 90_000;

/** What a soak printed, which must be that all is right. @param {string[]} more arguments */
async function soak(...more) {
  const args = ['soak/run.js', '--seconds', String(SECONDS), ...more];
  const { output } = await runNode(args, { timeoutMs: WATCHDOG_MS });
  assert.match(output, /^All is right\.$/m, output);
  return output;
}

/** @type {(output: string, what: string) => number} */
const countOf = (output, what) =>
  Number(new RegExp(`^ *${what} +(\\d+)\\b`, 'm').exec(output)?.[1]);

test('what workers do at random, while some are killed and stopped, is right', async () => {
  const output = await soak('--seed', '8');
  // How many there are of each depends on how fast the machine is.
  const faults = ['kills', 'stops', 'leaves'].map((fault) => countOf(output, fault));
  assert.ok(faults.filter((count) => count > 0).length > 1, output);
});

test('so it is without a primary, while the host of the hub is killed all the time', async () => {
  const output = await soak('--seed', '8', '--no-primary');
  assert.ok(countOf(output, 'hosts of the hub killed') > 4, output);
  assert.ok(countOf(output, 'orders heard whole, in part') > 0, output);
});
