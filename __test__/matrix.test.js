'use strict';

// The programs that `npm run matrix` runs on Bun and Deno hold on Node as well.

const { test } = require('node:test');
const path = require('node:path');
const { GROUPS } = require('../scripts/matrix/behaviours.js');
const { runNode } = require('./helpers.js');

const PROGRAM = path.join(__dirname, '..', 'scripts', 'matrix', 'behaviours.js');

for (const [group, behaviours] of Object.entries(GROUPS)) {
  for (const name of Object.keys(behaviours)) {
    test(`${group}: ${name}`, { timeout: 60_000 }, async () => {
      await runNode([PROGRAM, name]);
    });
  }
}
