'use strict';

// The table as text.

/** @typedef {import('./results.js').Result} Result */
/** @typedef {import('./scenarios/index.js').Unit} Unit */

const WIDTHS = { name: 44, figure: 12, ratio: 12 };

/** The steps of a unit, with names. @type {Record<Unit, [number, string][]>} */
const STEPS = {
  time: [
    [1e6, ' ms'],
    [1e3, ' us'],
    [1, ' ns'],
  ],
  rate: [
    [1e6, ' M/s'],
    [1e3, ' K/s'],
    [1, ' /s'],
  ],
  memory: [[2 ** 20, ' MB']],
  count: [[1, '']],
};

/** Three digits that say something. @param {number} number */
function digits(number) {
  if (Math.abs(number) >= 100) return number.toFixed(0);
  return number.toFixed(Math.abs(number) >= 10 ? 1 : 2);
}

/**
 * @param {Unit} unit
 * @param {number | undefined} figure
 */
function figureText(unit, figure) {
  if (figure === undefined) return '-';
  const steps = STEPS[unit];
  const [step, name] = steps.find(([least]) => figure >= least) ?? steps[steps.length - 1];
  return digits(figure / step) + name;
}

/** @type {(ratio: number | undefined, share: boolean) => string} */
function ratioText(ratio, share) {
  if (ratio === undefined) return '';
  return share ? `${ratio.toFixed(2)} of it` : `${digits(ratio)}x`;
}

/** @param {Result} result */
function goalText({ unit, peer, goal }) {
  if (goal === undefined) return '';
  const { speed, share, least, most, of } = goal.target;
  const parts = [];
  if (of) parts.push(`(${of.join(' + ')})`);
  // Without a peer it stands in the column of ratios.
  if (peer !== undefined && goal.ratio !== undefined) parts.push(`${goal.ratio.toFixed(2)} of it,`);
  if (speed !== undefined) parts.push(`at least ${speed}x`);
  if (share !== undefined) parts.push(`at most ${share} of it`);
  if (least !== undefined) parts.push(`at least ${figureText(unit, least)}`);
  if (most !== undefined) parts.push(`at most ${figureText(unit, most)}`);
  const text = parts.join(' ');
  if (goal.reached === undefined) return text;
  return `${text}: ${goal.reached ? 'reached' : 'MISSED'}`;
}

/** @type {(name: string, ours: string, other: string, ratio: string, goal: string) => string} */
function columns(name, ours, other, ratio, goal) {
  const { figure } = WIDTHS;
  const cells = [name.padEnd(WIDTHS.name), ours.padStart(figure), other.padStart(figure)];
  return `${cells.join('')}${ratio.padStart(WIDTHS.ratio)}  ${goal}`.trimEnd();
}

/** @param {string} other what stands beside ours */
function headText(other) {
  return columns('', 'ours', other, 'ratio', 'target');
}

/**
 * The lines of a scenario; its troubles stand below them, once.
 * @param {Result[]} results
 */
function textOf(results) {
  const troubles = new Set(results.flatMap((result) => result.troubles));
  const notes = [...troubles].map((trouble) => `  ! ${trouble}`);
  const lines = results.map((result) => {
    const { name, unit, ours, other, ratio, share } = result;
    const texts = [figureText(unit, ours), other === undefined ? '' : figureText(unit, other)];
    return columns(name, texts[0], texts[1], ratioText(ratio, share), goalText(result));
  });
  return [...lines, ...notes].join('\n');
}

module.exports = { headText, textOf };
