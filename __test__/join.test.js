'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { runNode } = require('./helpers.js');

const PROGRAM = path.join(__dirname, 'late-loader.js');

test('a worker that has dropped its privileges still finds its primary', async (context) => {
  if (process.getuid?.() !== 0) context.skip('only root can drop privileges');
  else assert.equal((await runNode([PROGRAM, 'dropPrivileges'])).output, 'shared\n');
});

test('a thread that loads the package late leaves the configuration alone', async () => {
  assert.equal((await runNode([PROGRAM, 'oldThread'])).output, 'true\n');
});
