'use strict';

// The lines of a scenario, before they are text: one for each row, and for each peer beside ours.

const { figureOf, isReached, isShare, ratioOf, sumsOf } = require('./figures.js');

/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {import('./scenarios/index.js').Row} Row */
/** @typedef {import('./turns.js').Outcome} Outcome */

/**
 * @typedef {object} Goal
 * @property {import('./scenarios/index.js').Target} target
 * @property {number} [ratio] to the figures that the target names
 * @property {boolean} [reached] not there if it was not measured
 */

/**
 * @typedef {object} Result
 * @property {string} name
 * @property {import('./scenarios/index.js').Unit} unit
 * @property {number} [ours]
 * @property {string} [peer] what stands beside it, or else the floor
 * @property {number} [other]
 * @property {number} [ratio]
 * @property {boolean} share whether the ratio is a share, or else how many times as fast
 * @property {Goal} [goal]
 * @property {string[]} troubles
 */

/**
 * @param {Scenario} scenario
 * @param {Outcome[]} outcomes ours first
 * @returns {Result[]}
 */
function resultsOf({ rows }, [ours, ...others]) {
  return rows.flatMap((row) => {
    if (others.length === 0) return [besideFloor(row, ours)];
    return others.map((other, index) => {
      const result = besidePeer(row, ours, other);
      if (index === 0) return result;
      return { ...result, name: `  beside ${other.peer}` };
    });
  });
}

/** @type {(row: Row, ours: Outcome) => Result} */
function besideFloor(row, ours) {
  const floors = row.target?.of ? sumsOf(row, row.target.of, ours.rounds) : [];
  return {
    name: row.name,
    unit: row.unit,
    ours: figureOf(row, ours.rounds),
    other: figureOf(row, floors),
    ratio: ratioOf(row, row.target, ours.rounds, floors),
    share: isShare(row, row.target),
    goal: ownGoal(row, ours),
    troubles: troublesOf(ours),
  };
}

/** @type {(row: Row, ours: Outcome, other: Outcome) => Result} */
function besidePeer(row, ours, other) {
  const target = row.beside?.[other.peer];
  const figure = figureOf(row, ours.rounds);
  const ratio = ratioOf(row, target, ours.rounds, other.rounds);
  return {
    name: row.name,
    unit: row.unit,
    ours: figure,
    peer: other.peer,
    other: figureOf(row, other.rounds),
    ratio,
    share: isShare(row, target),
    goal: target ? { target, reached: isReached(target, figure, ratio) } : ownGoal(row, ours),
    troubles: [...troublesOf(ours), ...troublesOf(other)],
  };
}

/** @type {(row: Row, ours: Outcome) => Goal | undefined} */
function ownGoal(row, { rounds }) {
  const { target } = row;
  if (target === undefined) return undefined;
  const ratio = target.of && ratioOf(row, target, rounds, sumsOf(row, target.of, rounds));
  return { target, ratio, reached: isReached(target, figureOf(row, rounds), ratio) };
}

/** @param {Outcome} outcome */
function troublesOf({ peer, trouble }) {
  return trouble === undefined ? [] : [`${peer} ${trouble}`];
}

module.exports = { resultsOf };
