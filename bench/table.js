'use strict';

// The table on the terminal. A row has ours, the fastest peer or the floor, and what ours is to it;
// below it stand the ratios to each peer and the targets.

const { machineText, versionsOf } = require('./report.js');
const { figureText, ratioText, wrapped } = require('./words.js');

/** @typedef {import('./report.js').Report} Report */
/** @typedef {import('./results.js').Scene} Scene */
/** @typedef {import('./results.js').Line} Line */
/** @typedef {import('./results.js').Goal} Goal */

const WIDTHS = { name: 46, figure: 11, other: 36, line: 110 };
/** A load from which on not even ratios can be quoted. */
const BUSY = 1;

/** @param {Report} report */
function headText({ machine, date, peers, absent, effort, load }) {
  const lines = [
    `${date}, ${machineText(machine)}`,
    versionsOf(peers).join(', '),
    `rounds: ${effort.rounds}${effort.quick ? ' (quick: a look, not figures to quote)' : ''}; ` +
      "medians, and medians of the rounds' ratios; primaries on CPU 0, workers from CPU 1 on",
    ...absent.map(({ name, reason }) => `! without ${name}: ${reason}`),
  ];
  if (load[0] > BUSY) lines.push(`! the machine is busy: load ${load[0].toFixed(1)}`);
  const columns = ['ours'.padStart(WIDTHS.figure), 'fastest peer, or floor'.padStart(WIDTHS.other)];
  return `${lines.join('\n')}\n\n${''.padEnd(WIDTHS.name)}${columns.join('')}`;
}

/** @param {Scene} scene */
function sceneText({ lines, troubles, pinned }) {
  const notes = troubles.map((trouble) => `    ! ${trouble}`);
  if (!pinned) notes.push('    ! NOT PINNED: no taskset');
  return [...lines.flatMap(lineText), ...notes].join('\n');
}

/** @param {Line} line */
function lineText(line) {
  const { name, unit, detail, figures, goals, fastest } = line;
  const head = (detail ? `    ${name}` : name).padEnd(WIDTHS.name);
  const row = `${head}${figureText(unit, figures.ours).padStart(WIDTHS.figure)}${besideText(line)}`;
  const judged = goals.filter(({ reached }) => reached !== undefined || !line.floor);
  const ratios = detail ? [] : wrapped(ratiosOf(line), WIDTHS.line);
  return [
    row.trimEnd(),
    ...[...ratios, ...judged.map((goal) => goalText(goal, fastest))].map((text) => `    ${text}`),
  ];
}

/** The column of the fastest peer, or of the floor. @param {Line} line */
function besideText({ unit, share, figures, ratios, fastest, floor }) {
  if (fastest !== undefined) {
    const figure = `${fastest} ${figureText(unit, figures[fastest]).padStart(WIDTHS.figure)}`;
    return `${figure.padStart(WIDTHS.other)}  ${ratioText(ratios[fastest], share)}`;
  }
  if (floor === undefined) return '';
  const figure = figureText(unit, floor.figure).padStart(WIDTHS.other);
  return `${figure}  ${floor.ratio.toFixed(2)}${floor.share ? ' of ' : 'x '}${floor.of}`;
}

/** Each peer, the nearest first; a single one stands in the row. @param {Line} line */
function ratiosOf({ share, ratios }) {
  const all = Object.entries(ratios);
  if (all.length < 2) return [];
  all.sort(([, a], [, b]) => (share ? b - a : a - b));
  return all.map(([peer, ratio]) => `${peer} ${ratioText(ratio, share)}`);
}

/** @type {(goal: Goal, fastest?: string) => string} */
function goalText({ text, beside, ratio, reached }, fastest) {
  if (reached === undefined) return `${text}: not measured`;
  const figure = ratio === undefined ? '' : ratio.toFixed(2);
  const who = beside === undefined || beside === fastest || text.endsWith(beside) ? '' : beside;
  const by = [who, figure].filter((part) => part !== '').join(' ');
  return `${text}: ${reached ? 'reached' : 'MISSED'}${by === '' ? '' : ` (${by})`}`;
}

/** @param {Scene[]} scenes */
function summaryText(scenes) {
  const goals = scenes.flatMap(({ lines }) =>
    lines.flatMap((line) =>
      line.goals.map((goal) => ({ ...goal, text: `${line.name}: ${goal.text}` })),
    ),
  );
  const judged = goals.filter(({ reached }) => reached !== undefined);
  const missed = judged.filter(({ reached }) => !reached);
  if (judged.length === 0) return '\nno targets in here';
  const figure = (/** @type {number | undefined} */ ratio) =>
    ratio === undefined ? '' : ` (${ratio.toFixed(2)})`;
  return [
    `\n${judged.length - missed.length} of ${judged.length} targets reached`,
    ...missed.map(({ text, ratio }) => `  MISSED ${text}${figure(ratio)}`),
  ].join('\n');
}

/** The whole table. @param {Report} report */
function tableText(report) {
  const scenes = report.scenes.map(sceneText);
  return [headText(report), ...scenes, summaryText(report.scenes)].join('\n');
}

module.exports = { headText, sceneText, summaryText, tableText };
