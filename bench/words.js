'use strict';

// Figures, ratios and targets as text.

/** @typedef {import('./scenarios/index.js').Unit} Unit */
/** @typedef {import('./scenarios/index.js').Target} Target */

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
  memory: [
    [2 ** 20, ' MB'],
    [2 ** 10, ' KB'],
    [1, ' B'],
  ],
  count: [[1, '']],
};

/** Three digits that say something. @param {number} number */
function digits(number) {
  if (Math.abs(number) >= 1000) return String(Number(number.toPrecision(3)));
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

/** @type {(unit: Unit, target: Target) => string} */
function targetText(unit, { beside, storing, of, speed, share, least, most }) {
  const parts = [];
  if (speed !== undefined) parts.push(`at least ${speed}x`);
  if (share !== undefined) parts.push(`at most ${share} of`);
  if (least !== undefined) parts.push(`at least ${figureText(unit, least)}`);
  if (most !== undefined) parts.push(`at most ${figureText(unit, most)}`);
  if (of) parts.push(`(${of.join(' + ')})`);
  if (beside) parts.push(beside === 'fastest' ? 'the fastest' : beside);
  if (storing) parts.push(`that stores ${storing}`);
  return parts.join(' ');
}

/**
 * Parts with commas between them, in lines.
 * @param {string[]} parts
 * @param {number} width
 */
function wrapped(parts, width) {
  /** @type {string[]} */
  const lines = [];
  for (const part of parts) {
    const last = lines[lines.length - 1];
    if (last === undefined || last.length + part.length > width) lines.push(part);
    else lines[lines.length - 1] = `${last}, ${part}`;
  }
  return lines.map((line, index) => (index < lines.length - 1 ? `${line},` : line));
}

module.exports = { digits, figureText, ratioText, targetText, wrapped };
