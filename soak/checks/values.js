'use strict';

// Are the values of each key linearizable, and are the counts exact?

const { KEYS } = require('../keys.js');
const { check } = require('../linearizability.js');
const { register } = require('../models.js');
const { OP, OUTCOME } = require('../records.js');
const { describeVerdict } = require('../words.js');

/** @typedef {import('../history.js').Call} Call */
/** @typedef {{ violations: string[], figures: Record<string, number> }} Findings */

/** @param {Map<number, Call[]>} byKey @returns {Findings} */
function checkValues(byKey) {
  const violations = [];
  const figures = { windows: 0, widest: 0, configurations: 0, undecided: 0 };
  for (const [key, calls] of byKey) {
    if (KEYS[key].kind === 'ends') continue;
    const verdict = check(calls, register);
    figures.windows += verdict.windows;
    figures.widest = Math.max(figures.widest, verdict.widest);
    figures.configurations = Math.max(figures.configurations, verdict.configurations);
    if (!verdict.decided) figures.undecided += 1;
    if (!verdict.legal) violations.push(describeVerdict('not linearizable', key, calls, verdict));
    else if (KEYS[key].kind === 'count') violations.push(...countOf(key, calls));
    else if (KEYS[key].kind === 'guarded') violations.push(...guardedCountOf(key, calls));
  }
  return { violations, figures };
}

/**
 * A key that is only counted: the last count is the sum of all steps that were acknowledged, and of
 * some of those that were under way when their process died.
 * @type {(key: number, calls: Call[]) => string[]}
 */
function countOf(key, calls) {
  const steps = calls.filter(({ op }) => op === OP.INCR);
  const sum = (/** @type {Call[]} */ some) => some.reduce((all, { argument }) => all + argument, 0);
  const least = sum(steps.filter(({ lost }) => !lost));
  return inBounds(key, lastRead(calls), least, sum(steps));
}

/**
 * A key that is read and then set to one more, under its lock: no two sets may write the same count.
 * @type {(key: number, calls: Call[]) => string[]}
 */
function guardedCountOf(key, calls) {
  const sets = calls.filter(({ op }) => op === OP.SET);
  const done = sets.filter(({ lost }) => !lost);
  const written = new Set();
  const twice = [];
  for (const { argument, member, seq, call } of done) {
    if (written.has(argument)) {
      const who = `${member} (call ${seq}, at ${call} ns)`;
      twice.push(`"${KEYS[key].name}" was set to ${argument} twice, the second time by ${who}`);
    }
    written.add(argument);
  }
  return [...twice.slice(0, 1), ...inBounds(key, lastRead(calls), done.length, sets.length)];
}

/** What the last read of all gave. @param {Call[]} calls */
function lastRead(calls) {
  let last;
  for (const call of calls) {
    const isRead = call.op === OP.GET && call.outcome === OUTCOME.VALUE;
    if (isRead && (last === undefined || call.ret > last.ret)) last = call;
  }
  return last?.value ?? Number.NaN;
}

/** @type {(key: number, count: number, least: number, most: number) => string[]} */
function inBounds(key, count, least, most) {
  if (count >= least && count <= most) return [];
  const bounds = least === most ? least : `${least} to ${most}`;
  return [`"${KEYS[key].name}" ended as ${count}; it was counted to ${bounds}`];
}

module.exports = { checkValues };
