'use strict';

// Runs the same program on 1.1.5 (installed as `csm-1`) and on this package. A program says what it
// saw as pairs of a label and a text. Both must have seen the same, but for the differences that
// are listed: of these, both sides are asserted.

const assert = require('node:assert/strict');
const { run } = require('./helpers.js');
const { runEverywhere } = require('./places.js');

/**
 * @typedef {import('./program.js').Job} Job
 * @typedef {import('./helpers.js').Program} Program
 * @typedef {'json' | 'advanced'} Mode
 * @typedef {object} Difference what is different on purpose
 * @property {string} label
 * @property {string} was on 1.1.5
 * @property {string} is here
 * @property {'primary' | 'worker'} [in] where it is different; both, if left out
 * @property {Mode} [mode] likewise
 *
 * @typedef {{ differences?: Difference[], modes?: Mode[], input?: object }} Choice
 * @typedef {{ env: NodeJS.ProcessEnv, input?: object }} Setting
 */

const OLD = { TEST_PACKAGE: 'csm-1' };

/**
 * Compares what a function sees in the primary and in a worker. Threads, whose store is one of
 * their own in 1.1.5, are to see what a worker sees.
 * @param {Job} here
 * @param {Choice} [choice]
 */
async function compareEverywhere(here, choice = {}) {
  await inModes(choice, async (mode, { env, input }) => {
    const old = await runEverywhere(here, { env: { ...OLD, ...env }, input, threads: false });
    const ours = await runEverywhere(here, { env, input });
    for (const [place, said] of ours) {
      const like = place === 'primary' ? 'primary' : 'worker';
      const before = /** @type {[string, any[]]} */ (old.find(([oldPlace]) => oldPlace === like));
      compare(before[1], said, select(choice, mode, like), `in the ${place}, mode ${mode}`);
    }
  });
}

/**
 * Compares what all processes of a program see together.
 * @param {Program} program
 * @param {Choice} [choice]
 */
async function comparePrograms(program, choice = {}) {
  await inModes(choice, async (mode, { env, input }) => {
    const old = await run(program, { env: { ...OLD, ...env }, input });
    const ours = await run(program, { env, input });
    compare(old, ours, select(choice, mode), `mode ${mode}`);
  });
}

/** @param {Choice} choice @param {(mode: Mode, setting: Setting) => Promise<void>} body */
async function inModes({ modes = ['json', 'advanced'], input }, body) {
  for (const mode of modes) await body(mode, { env: { TEST_SERIALIZATION: mode }, input });
}

/** @param {Choice} choice @param {Mode} mode @param {'primary' | 'worker'} [place] */
function select({ differences = [] }, mode, place) {
  return differences.filter(
    (one) => (one.mode ?? mode) === mode && (place === undefined || (one.in ?? place) === place),
  );
}

/**
 * @param {Array<[string, string]>} old
 * @param {Array<[string, string]>} ours
 * @param {Difference[]} differences
 * @param {string} where
 */
function compare(old, ours, differences, where) {
  const [was, is] = [Object.fromEntries(old), Object.fromEntries(ours)];
  assert.ok(old.length > 0, `Nothing was said ${where}.`);
  assert.equal(Object.keys(was).length, old.length, `A label was said twice ${where}.`);
  const [expectedOld, expectedOurs] = [{ ...was }, { ...was }];
  for (const { label, ...difference } of differences) {
    expectedOld[label] = difference.was;
    expectedOurs[label] = difference.is;
  }
  same(was, expectedOld, `1.1.5 ${where}`);
  same(is, expectedOurs, `ours, beside 1.1.5, ${where}`);
}

/**
 * Shows the lines alone that are not the same.
 * @param {Record<string, string>} actual
 * @param {Record<string, string>} expected
 * @param {string} what
 */
function same(actual, expected, what) {
  const labels = Object.keys({ ...actual, ...expected });
  const lines = labels
    .filter((label) => actual[label] !== expected[label])
    .map((label) => `${label}: ${short(actual[label])}, expected ${short(expected[label])}`);
  assert.ok(lines.length === 0, `${what}\n${lines.join('\n')}`);
}

/** @param {string | undefined} text */
function short(text = 'nothing said') {
  return text.length > 200 ? `${text.slice(0, 200)}...` : text;
}

module.exports = { compareEverywhere, comparePrograms };
