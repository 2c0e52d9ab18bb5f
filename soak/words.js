'use strict';

// Calls and verdicts in words, for the report of a failure.

const { KEYS } = require('./keys.js');
const { OP, OUTCOME, nameOf } = require('./records.js');

/** How many calls that returned before are shown. */
const BEFORE = 12;

/** @typedef {import('./history.js').Call} Call */

/** @param {Call} call */
function describeCall(call) {
  const { member, seq, op, key, argument, expected, ret, lost, outcome, value } = call;
  const order = `${nameOf(OP, op)} "${KEYS[key].name}" ${argument}${expected ? ` if ${expected}` : ''}`;
  const result = lost ? 'lost' : `${nameOf(OUTCOME, outcome)} ${value}`;
  return `[${call.call} .. ${ret}] ${member} #${seq}: ${order} -> ${result}`;
}

/** @type {(what: string, key: number, calls: Call[], verdict: import('./linearizability.js').Verdict) => string} */
function describeVerdict(what, key, calls, { culprit, open = [], states }) {
  const at = culprit?.ret ?? Number.POSITIVE_INFINITY;
  const before = calls
    .filter((call) => call.ret < at)
    .sort((a, b) => a.ret - b.ret)
    .slice(-BEFORE);
  const others = open.filter((call) => call !== culprit);
  const list = (/** @type {any[]} */ some) => some.map((call) => `\n    ${describeCall(call)}`);
  return [
    `"${KEYS[key].name}" is ${what}: nothing explains the return of`,
    list([culprit]),
    `\n  possible before it: ${states.slice(0, 20).join(', ')}`,
    `\n  open then:${list(others).join('') || ' nothing'}`,
    `\n  returned before:${list(before).join('') || ' nothing'}`,
  ].join('');
}

module.exports = { describeCall, describeVerdict };
