'use strict';

// What came of a scenario, before it is text or a picture. All that is drawn later stands in here,
// so that it can be drawn from a file.

const { fastestOf, figureOf, ratioOf, sumsOf } = require('./figures.js');
const { targetText } = require('./words.js');

/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {import('./scenarios/index.js').Row} Row */
/** @typedef {import('./scenarios/index.js').Target} Target */
/** @typedef {import('./turns.js').Outcome} Outcome */

/**
 * @typedef {object} Goal
 * @property {string} text as in: at least 2x 1.1.5
 * @property {string} [beside] the peer that it is judged by
 * @property {number} [ratio] to that peer, or to the floor
 * @property {boolean} [reached] not there if it was not measured, or if there is nothing to reach
 */

/**
 * @typedef {object} Line
 * @property {string} name
 * @property {import('./scenarios/index.js').Unit} unit
 * @property {boolean} detail whether it says more about the line before it
 * @property {boolean} share whether ratios are shares, or else how many times as fast
 * @property {Record<string, number>} figures by peer, ours among them
 * @property {Record<string, number>} ratios of ours to each peer
 * @property {string} [fastest] peer
 * @property {{ of: string, figure: number, ratio: number, share: boolean }} [floor]
 * @property {Goal[]} goals
 * @property {string} [picture] what it is called there
 */

/**
 * @typedef {object} Scene
 * @property {string} name
 * @property {string} title
 * @property {number[]} cpus
 * @property {boolean} pinned
 * @property {Line[]} lines
 * @property {string[]} troubles
 * @property {Record<string, Record<string, number[]>>} rounds figures by peer
 */

/**
 * @param {Scenario} scenario
 * @param {Outcome[]} outcomes ours first
 * @returns {Scene}
 */
function sceneOf({ name, title, cpus, rows }, outcomes) {
  const troubles = outcomes.flatMap(({ peer, trouble }) =>
    trouble === undefined ? [] : [`${peer.name} ${trouble}`],
  );
  return {
    name,
    title,
    cpus,
    pinned: outcomes.every(({ pinned }) => pinned),
    lines: rows.map((row) => lineOf(row, outcomes)),
    troubles,
    rounds: Object.fromEntries(outcomes.map(({ peer, rounds }) => [peer.name, columns(rounds)])),
  };
}

/** @type {(row: Row, outcomes: Outcome[]) => Line} */
function lineOf(row, outcomes) {
  const [ours, ...others] = outcomes;
  const share = isShare(row);
  const figures = byPeer(outcomes, ({ rounds }) => figureOf(row, rounds));
  const ratios = byPeer(others, ({ rounds }) => ratioOf(row, share, ours.rounds, rounds));
  const judged = others.filter(({ peer }) => !peer.unjudged).map(({ peer }) => peer.name);
  return {
    name: row.name,
    unit: row.unit,
    detail: row.detail ?? false,
    share,
    figures,
    ratios,
    fastest: fastestOf(ratios, share, judged),
    floor: floorOf(row, ours),
    goals: goalsOf(row, outcomes),
    picture: row.picture,
  };
}

/**
 * Whether ratios to peers are shares, which they are where a target says so.
 * @param {Row} row
 */
function isShare({ unit, targets = [] }) {
  return unit === 'memory' || targets.some(({ beside, share }) => beside && share !== undefined);
}

/** @type {(row: Row, ours: Outcome) => Line['floor']} */
function floorOf(row, { rounds }) {
  const target = row.targets?.find(({ of }) => of);
  if (!target?.of) return undefined;
  const floors = sumsOf(row, target.of, rounds);
  const figure = figureOf(row, floors);
  const share = target.speed === undefined;
  const ratio = ratioOf(row, share, rounds, floors);
  if (figure === undefined || ratio === undefined) return undefined;
  return { of: `(${target.of.join(' + ')})`, figure, ratio, share };
}

/** @type {(row: Row, outcomes: Outcome[]) => Goal[]} */
function goalsOf(row, [ours, ...others]) {
  const figure = figureOf(row, ours.rounds);
  return (row.targets ?? []).map((target) => {
    const text = targetText(row.unit, target);
    if (target.of) {
      const ratio = floorOf(row, ours)?.ratio;
      return { text, ratio, reached: isReached(target, figure, ratio) };
    }
    if (!target.beside) return { text, reached: isReached(target, figure, undefined) };
    const share = target.share !== undefined;
    const ratios = byPeer(others, ({ rounds }) => ratioOf(row, share, ours.rounds, rounds));
    const beside = rivalOf(target, others, ratios);
    const ratio = beside === undefined ? undefined : ratios[beside];
    return { text, beside, ratio, reached: isReached(target, figure, ratio) };
  });
}

/**
 * The peer that a target is judged by.
 * @type {(target: Target, others: Outcome[], ratios: Record<string, number>) => string | undefined}
 */
function rivalOf({ beside, storing, share }, others, ratios) {
  if (beside !== 'fastest') return beside;
  const rivals = others.filter(
    ({ peer }) => !peer.unjudged && (storing === undefined || peer.stores === storing),
  );
  const names = rivals.map(({ peer }) => peer.name);
  return fastestOf(ratios, share !== undefined, names);
}

/**
 * Undefined if it was not measured, or there is nothing to reach.
 * @param {Target} target
 * @param {number | undefined} figure ours
 * @param {number | undefined} ratio
 * @returns {boolean | undefined}
 */
function isReached({ speed, share, least, most }, figure, ratio) {
  if (least !== undefined) return figure === undefined ? undefined : figure >= least;
  if (most !== undefined) return figure === undefined ? undefined : figure <= most;
  if (ratio === undefined) return undefined;
  if (speed !== undefined) return ratio >= speed;
  return share === undefined ? undefined : ratio <= share;
}

/**
 * @param {Outcome[]} outcomes
 * @param {(outcome: Outcome) => number | undefined} figure
 * @returns {Record<string, number>} without those who have none
 */
function byPeer(outcomes, figure) {
  return Object.fromEntries(
    outcomes.flatMap((outcome) => {
      const found = figure(outcome);
      return found === undefined ? [] : [[outcome.peer.name, found]];
    }),
  );
}

/** @type {(rounds: Outcome['rounds']) => Record<string, number[]>} */
function columns(rounds) {
  const names = Object.keys(rounds[0] ?? {});
  return Object.fromEntries(names.map((name) => [name, rounds.map((round) => round[name])]));
}

module.exports = { sceneOf };
