'use strict';

// Has a lock one holder at a time, and is it granted in the order of the requests?
//
// What is recorded of a holding is less than the holding: it is granted before the promise of the
// holder says so, and released after the call of releaseLock is recorded. So if two recorded ones
// overlap, the true ones do. One whose holder died lasted at least until somebody set out to end it.
// What a thread hears of a lock once it has begun to close the memory tells nothing: it may have been
// granted it before, and have lost it by closing.

const { KEYS } = require('../keys.js');
const { MARK, OP, OUTCOME } = require('../records.js');
const { describeCall } = require('../words.js');

/** @typedef {import('../history.js').Call} Call */
/** @typedef {import('../history.js').Member} Member */
/** @typedef {{ call: Call, from: number, to: number }} Holding */

/** @param {Member[]} members @returns {import('./values.js').Findings} */
function checkLocks(members) {
  const violations = [];
  const figures = { grants: 0, longestWaitMs: 0 };
  for (const [key, holdings] of holdingsByKey(members)) {
    holdings.sort((a, b) => a.from - b.from);
    figures.grants += holdings.length;
    for (const { call } of holdings) {
      figures.longestWaitMs = Math.max(figures.longestWaitMs, (call.ret - call.call) / 1e6);
    }
    violations.push(...overlapOf(key, holdings), ...overtakingOf(key, holdings));
  }
  return { violations, figures };
}

/** @param {Member[]} members */
function holdingsByKey(members) {
  /** @type {Map<number, Holding[]>} */
  const byKey = new Map();
  for (const member of members) {
    const releases = releasesOf(member);
    const closing =
      member.marks.find(({ what }) => what === MARK.CLOSING)?.time ?? Number.POSITIVE_INFINITY;
    for (const call of member.calls.values()) {
      if (call.op !== OP.LOCK || call.outcome !== OUTCOME.OK || call.ret > closing) continue;
      const release = releases.get(call.seq);
      const from = call.ret;
      const to = Math.max(from, Math.min(release ?? Number.POSITIVE_INFINITY, member.livedUntil));
      const others = byKey.get(call.key);
      if (others) others.push({ call, from, to });
      else byKey.set(call.key, [{ call, from, to }]);
    }
  }
  return byKey;
}

/** When each lock was begun to be released, by the seq of its request. @param {Member} member */
function releasesOf({ calls }) {
  /** @type {Map<number, number>} */
  const releases = new Map();
  for (const { op, argument, call } of calls.values()) {
    if (op === OP.RELEASE && !releases.has(argument)) releases.set(argument, call);
  }
  return releases;
}

/** The first two that held a lock at once. @type {(key: number, holdings: Holding[]) => string[]} */
function overlapOf(key, holdings) {
  let last = holdings[0];
  for (const holding of holdings.slice(1)) {
    if (holding.from < last.to) {
      return [
        `two held the lock of "${KEYS[key].name}" at once:\n` +
          `  ${describeCall(last.call)}, held until ${last.to} at least\n` +
          `  ${describeCall(holding.call)}, held until ${holding.to} at least`,
      ];
    }
    last = holding;
  }
  return [];
}

/**
 * The first that was granted a lock before one who stood in the queue before it asked.
 * @type {(key: number, holdings: Holding[]) => string[]}
 */
function overtakingOf(key, holdings) {
  let latest = holdings[0];
  for (const holding of holdings) {
    if (holding.call.enqueued < latest.call.call) {
      return [
        `the lock of "${KEYS[key].name}" was not granted in order:\n` +
          `  ${describeCall(holding.call)}, queued at ${holding.call.enqueued}\n` +
          `  ${describeCall(latest.call)}, asked later and got it before`,
      ];
    }
    if (holding.call.call > latest.call.call) latest = holding;
  }
  return [];
}

module.exports = { checkLocks };
