'use strict';

// The columns of the matrix: which test file belongs to which.

const fs = require('node:fs');
const path = require('node:path');

const TESTS = path.join(__dirname, '..', '..', '__test__');
const SLOW = 'slow';
const OTHERS = 'others';

/** By the beginnings of the files' names. @type {Record<string, string[]>} */
const BEGINNINGS = {
  package: ['entry', 'contract', 'copies', 'runtime'],
  values: ['values', 'keys', 'calls', 'configure', 'limits'],
  locks: ['locks', 'mutex'],
  listeners: ['listen'],
  LRU: ['lru'],
  life: ['attach', 'join', 'close', 'process-life'],
  threads: ['threads'],
  'by a name': ['group'],
  'beside 1.1.5': ['differential'],
  [SLOW]: ['soak', 'linearizability'],
};

/** What tests the tree and not the package: its own tools need the Node of a developer. */
const OF_THE_TREE = [
  'readme',
  'package',
  'examples',
  'bench',
  'matrix',
  'start',
  'pm2',
  'pm2-example',
];

const GROUPS = [...Object.keys(BEGINNINGS), OTHERS];

/** @param {string} file */
function groupOf(file) {
  const begins = (/** @type {string} */ beginning) => new RegExp(`^${beginning}[.-]`).test(file);
  if (OF_THE_TREE.some(begins)) return undefined;
  const groups = Object.entries(BEGINNINGS);
  return groups.find(([, beginnings]) => beginnings.some(begins))?.[0] ?? OTHERS;
}

/** The test files of a group. @param {string} group */
function filesOf(group) {
  const files = fs.readdirSync(TESTS).filter((file) => file.endsWith('.test.js'));
  return files.filter((file) => groupOf(file) === group).map((file) => path.join(TESTS, file));
}

module.exports = { GROUPS, SLOW, filesOf };
