'use strict';

/**
 * What the visitors have seen so far.
 * @typedef {object} Seen
 * @property {number} answered requests
 * @property {number} highest number that was given to one
 * @property {number} cut off by a kill
 * @property {number} wrong answers, lost or changed sessions, failures without a kill
 * @property {number} p50Ns half of the requests took no longer
 * @property {number} p99Ns
 * @property {number} pauseMs the longest time without any answer after a kill
 * @property {number} sessions that were read back
 * @property {string[]} problems some of what was wrong
 */

/** @returns {Seen} */
function nothingYet() {
  return {
    answered: 0,
    highest: 0,
    cut: 0,
    wrong: 0,
    p50Ns: 0,
    p99Ns: 0,
    pauseMs: 0,
    sessions: 0,
    problems: [],
  };
}

module.exports = { nothingYet };
