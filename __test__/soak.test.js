'use strict';

// A short soak, as "npm run soak" does a long one: real workers do everything at random, some are
// killed, stopped and sent away, and what they recorded must be explained.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { runNode } = require('./helpers.js');

const SECONDS = 8;
const WATCHDOG_MS = 90_000;

test('what workers do at random, while some are killed and stopped, is right', async () => {
  const args = ['soak/run.js', '--seconds', String(SECONDS), '--seed', '8'];
  const { output } = await runNode(args, { timeoutMs: WATCHDOG_MS });
  assert.match(output, /^All is right\.$/m, output);
  for (const done of ['kills', 'stops', 'leaves']) {
    assert.ok(Number(new RegExp(`^${done} +(\\d+)$`, 'm').exec(output)?.[1]) > 0, output);
  }
});
