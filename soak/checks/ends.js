'use strict';

// Keys that are only set for a while: is a value given until its end, and never afterwards?
//
// When exactly a value ends is not known: so many ms after a moment between call and return of its
// set. The clock of the memory counts whole ms, so an end may come up to one of them early or late.

const { KEYS } = require('../keys.js');
const { OP, OUTCOME } = require('../records.js');
const { describeCall } = require('../words.js');

/** @typedef {import('../history.js').Call} Call */

const MS = 1e6;
/** Of the clock, in ms. */
const GRAIN = 1;

/** @type {(set: Call) => number} */
const earliestEnd = ({ call, expected }) => call + (Number(expected) - GRAIN) * MS;
/** @type {(set: Call) => number} */
const latestEnd = ({ ret, expected }) => ret + (Number(expected) + GRAIN) * MS;

/** @param {Map<number, Call[]>} byKey @returns {import('./values.js').Findings} */
function checkEnds(byKey) {
  const violations = [];
  const figures = { ended: 0, looked: 0 };
  for (const [key, calls] of byKey) {
    if (KEYS[key].kind !== 'ends') continue;
    const sets = calls.filter(({ op }) => op === OP.SET).sort((a, b) => a.call - b.call);
    const bySet = new Map(sets.map((set) => [set.argument, set]));
    const gets = calls.filter(({ op, outcome }) => op === OP.GET && outcome === OUTCOME.VALUE);
    figures.looked += gets.length;
    for (const get of gets) {
      if (get.value === 0) figures.ended += 1;
      const wrong = get.value === 0 ? missing(get, sets) : given(get, bySet.get(get.value), sets);
      if (wrong) violations.push(`"${KEYS[key].name}" ${wrong}\n    ${describeCall(get)}`);
    }
  }
  return { violations, figures };
}

/** What is wrong with a value that was given. @type {(get: Call, set: Call | undefined, sets: Call[]) => string | undefined} */
function given(get, set, sets) {
  if (set === undefined || set.call > get.ret) return 'was what nobody had set:';
  const of = `\n    ${describeCall(set)}`;
  if (latestEnd(set) < get.call) return `was given after its end:${of}`;
  const newer = sets.find((each) => !each.lost && each.call > set.ret && each.ret < get.call);
  return newer && `was given though a newer one was set:${of}\n    ${describeCall(newer)}`;
}

/**
 * There must be a set that was not over before, or one that may be the last and have ended.
 * @type {(get: Call, sets: Call[]) => string | undefined}
 */
function missing(get, sets) {
  const standing = sets.find(
    (set) => !set.lost && set.ret < get.call && earliestEnd(set) > get.ret,
  );
  if (standing === undefined) return undefined;
  const isPast = sets.some(
    (set) => set.ret > standing.call && set.call < get.ret && earliestEnd(set) <= get.ret,
  );
  if (isPast) return undefined;
  return `was gone before its end:\n    ${describeCall(standing)}`;
}

module.exports = { checkEnds };
