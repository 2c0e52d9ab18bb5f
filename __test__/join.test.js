'use strict';

const assert = require('node:assert/strict');
const path = require('node:path');
const { test } = require('node:test');
const { run, runNode } = require('./helpers.js');

const PROGRAM = path.join(__dirname, 'late-loader.js');

test('a worker that has dropped its privileges still finds its primary', async (context) => {
  if (process.getuid?.() !== 0) context.skip('only root can drop privileges');
  else assert.equal((await runNode([PROGRAM, 'dropPrivileges'])).output, 'shared\n');
});

test('a thread that loads the package late leaves the configuration alone', async () => {
  assert.equal((await runNode([PROGRAM, 'oldThread'])).output, 'true\n');
});

test('a worker joins whatever it and its primary call themselves, in letters cut by the kernel too', async () => {
  const said = await run({
    primary: async (t) => {
      // Letters of two bytes; the kernel keeps 15 bytes.
      process.title = '\u0436'.repeat(10);
      t.memory.sync.set('a', 'shared');
      await t.workers();
    },
    worker: async (t) => {
      process.title = '\u0436'.repeat(12);
      t.say(await t.memory.get('a'));
    },
  });
  assert.deepEqual(said, ['shared']);
});
