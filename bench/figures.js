'use strict';

// What is made of the figures of all rounds: medians, ratios, and who is the fastest.

/** @typedef {import('./scenarios/index.js').Row} Row */
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
 * @returns {number | undefined} if there were no rounds, or if it is none of the peer's figures
 */
function figureOf({ figure, worst }, rounds) {
  const figures = rounds.map((round) => round[figure]).filter((each) => each !== undefined);
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
 * The median of the rounds' ratios.
 * @param {Row} row
 * @param {boolean} share whether it tells what share ours is of the other, or else how many times
 * as fast
 * @param {Figures[]} ours
 * @param {Figures[]} others in the same rounds
 * @returns {number | undefined}
 */
function ratioOf({ figure, unit }, share, ours, others) {
  const rounds = Math.min(ours.length, others.length);
  if (rounds === 0 || unit === 'count' || others[0][figure] === undefined) return undefined;
  const straight = share || unit === 'rate';
  const ratios = ours.slice(0, rounds).map((round, index) => {
    const [our, other] = [round[figure], others[index][figure]];
    return straight ? our / other : other / our;
  });
  return median(ratios);
}

/**
 * Who has the best figure.
 * @param {Pick<Row, 'unit'>} row
 * @param {Record<string, number>} figures
 * @param {string[]} names
 * @returns {string | undefined} if none has any
 */
function bestOf({ unit }, figures, names) {
  const there = names.filter((name) => figures[name] !== undefined);
  if (unit === 'count' || there.length === 0) return undefined;
  const isBetter = (/** @type {string} */ a, /** @type {string} */ b) =>
    unit === 'rate' ? figures[a] > figures[b] : figures[a] < figures[b];
  return there.reduce((best, name) => (isBetter(name, best) ? name : best));
}

/**
 * Whom ours is the least ahead of. By the ratios of the rounds and not by the medians, which a busy
 * machine spoils first.
 * @param {Record<string, number>} ratios to peers
 * @param {boolean} share whether they are shares, or else how many times as fast ours is
 * @param {string[]} names
 * @returns {string | undefined} if there is none
 */
function fastestOf(ratios, share, names) {
  const there = names.filter((name) => ratios[name] !== undefined);
  if (there.length === 0) return undefined;
  const isFaster = (/** @type {string} */ a, /** @type {string} */ b) =>
    share ? ratios[a] > ratios[b] : ratios[a] < ratios[b];
  return there.reduce((fastest, name) => (isFaster(name, fastest) ? name : fastest));
}

module.exports = { percentile, median, figureOf, sumsOf, ratioOf, bestOf, fastestOf };
