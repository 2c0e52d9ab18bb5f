'use strict';

// Checks the history of a round. What a failed soak has kept is checked again with
//
//     node soak/check.js <folder of a round>

const { checkEnds } = require('./checks/ends.js');
const { checkListeners } = require('./checks/listeners.js');
const { checkLocks } = require('./checks/locks.js');
const { checkValues } = require('./checks/values.js');
const { callsByKey, isUndone, readHistory } = require('./history.js');
const { OP, nameOf } = require('./records.js');

/**
 * @param {string} folder
 * @returns {{ violations: string[], figures: Record<string, number>, said: string[] }}
 */
function checkRound(folder) {
  const history = readHistory(folder);
  const byKey = callsByKey(history);
  const parts = [
    { violations: history.notes, figures: countsOf(history) },
    checkValues(byKey),
    checkEnds(byKey),
    checkLocks(history.members),
    checkListeners(history.members, byKey),
  ];
  return {
    violations: parts.flatMap(({ violations }) => violations),
    figures: merge(parts.map(({ figures }) => figures)),
    said: history.said,
  };
}

/** What was done how often. @param {import('./history.js').History} history */
function countsOf({ members, faults }) {
  /** @type {Record<string, number>} */
  const counts = { members: members.length, operations: 0, lost: 0, busy: 0 };
  const ofEach = new Array(Math.max(...Object.values(OP)) + 1).fill(0);
  for (const { calls } of members) {
    for (const call of calls.values()) {
      ofEach[call.op] += 1;
      counts.operations += 1;
      if (call.lost) counts.lost += 1;
      if (isUndone(call)) counts.busy += 1;
    }
  }
  for (const op of Object.values(OP)) counts[nameOf(OP, op)] = ofEach[op];
  for (const { what } of faults) counts[what] = (counts[what] ?? 0) + 1;
  return counts;
}

const LARGEST = new Set(['widest', 'configurations', 'longestWaitMs']);

/** Figures together: sums, and of some the largest. @param {Array<Record<string, number>>} list */
function merge(list) {
  /** @type {Record<string, number>} */
  const all = {};
  for (const [name, figure] of list.flatMap((figures) => Object.entries(figures))) {
    const before = all[name] ?? 0;
    all[name] = LARGEST.has(name) ? Math.max(before, figure) : before + figure;
  }
  return all;
}

if (require.main === module) {
  const { violations, figures } = checkRound(process.argv[2]);
  console.log(figures);
  console.log(violations.length === 0 ? 'All is right.' : violations.join('\n\n'));
  process.exitCode = violations.length === 0 ? 0 : 1;
}

module.exports = { checkRound, merge };
