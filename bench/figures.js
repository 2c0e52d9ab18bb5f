'use strict';

// What is made of the figures of all rounds: medians, ratios, and whether a target is reached.

/** @typedef {import('./scenarios/index.js').Row} Row */
/** @typedef {import('./scenarios/index.js').Target} Target */
/** @typedef {import('./scenarios/index.js').Figures} Figures */

/**
 * @param {ArrayLike<number>} sorted
 * @param {number} share of them that lies below, from 0 to 1
 */
function percentile(sorted, share) {
  return sorted[Math.min(sorted.length - 1, Math.floor(sorted.length * share))];
}

/** @param {number[]} figures */
function median(figures) {
  return percentile(
    [...figures].sort((a, b) => a - b),
    0.5,
  );
}

/**
 * The figure of a row in all rounds: the median, or the worst.
 * @param {Row} row
 * @param {Figures[]} rounds
 * @returns {number | undefined} if there were no rounds
 */
function figureOf({ figure, worst }, rounds) {
  const figures = rounds.map((round) => round[figure]);
  if (figures.length === 0) return undefined;
  return worst ? Math.max(...figures) : median(figures);
}

/**
 * The sum of some figures, round by round, as rounds of the row's figure.
 * @param {Row} row
 * @param {string[]} names
 * @param {Figures[]} rounds
 * @returns {Figures[]}
 */
function sumsOf({ figure }, names, rounds) {
  return rounds.map((round) => ({
    [figure]: names.reduce((sum, name) => sum + round[name], 0),
  }));
}

/**
 * Whether a ratio tells what share ours is of the other, or else how many times as fast it is.
 * @param {Row} row
 * @param {Target | undefined} target
 */
function isShare({ unit }, target) {
  if (target?.speed !== undefined) return false;
  return target?.share !== undefined || target?.of !== undefined || unit === 'memory';
}

/**
 * The median of the rounds' ratios.
 * @param {Row} row
 * @param {Target | undefined} target
 * @param {Figures[]} ours
 * @param {Figures[]} others in the same rounds
 * @returns {number | undefined}
 */
function ratioOf(row, target, ours, others) {
  const rounds = Math.min(ours.length, others.length);
  if (rounds === 0 || row.unit === 'count') return undefined;
  const straight = isShare(row, target) || row.unit === 'rate';
  const ratios = ours.slice(0, rounds).map((round, index) => {
    const [our, other] = [round[row.figure], others[index][row.figure]];
    return straight ? our / other : other / our;
  });
  return median(ratios);
}

/**
 * Whether a target is reached; undefined if that was not measured, or there is none.
 * @param {Target | undefined} target
 * @param {number | undefined} figure ours
 * @param {number | undefined} ratio
 * @returns {boolean | undefined}
 */
function isReached({ speed, share, least, most } = {}, figure, ratio) {
  if (least !== undefined) return figure === undefined ? undefined : figure >= least;
  if (most !== undefined) return figure === undefined ? undefined : figure <= most;
  if (ratio === undefined) return undefined;
  if (speed !== undefined) return ratio >= speed;
  return share === undefined ? undefined : ratio <= share;
}

module.exports = { percentile, median, figureOf, sumsOf, isShare, ratioOf, isReached };
