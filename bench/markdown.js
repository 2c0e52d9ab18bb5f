'use strict';

// The table for the README: a column for each package, of whose variants the best one counts in
// each row, and what this package is to the fastest of them all.

const { bestOf } = require('./figures.js');
const { machineText, versionsOf } = require('./report.js');
const { figureText, ratioText } = require('./words.js');

/** @typedef {import('./report.js').Report} Report */
/** @typedef {import('./results.js').Line} Line */

/**
 * The packages that are there, with their variants.
 * @param {Report} report
 * @returns {Map<string, string[]>}
 */
function familiesOf({ peers }) {
  const families = new Map();
  for (const { family, name, unjudged } of peers) {
    if (!unjudged) families.set(family, [...(families.get(family) ?? []), name]);
  }
  return families;
}

/** @param {Report} report */
function markdownOf(report) {
  const lines = report.scenes.flatMap((scene) => scene.lines).filter(({ detail }) => !detail);
  const beside = lines.filter((line) => Object.keys(line.ratios).length > 0);
  const alone = lines.filter((line) => Object.keys(line.figures).length === 1);
  const parts = [besideTable(report, beside), aloneTable(alone), notes(report)];
  return `${parts.filter((part) => part !== '').join('\n\n')}\n`;
}

/** @type {(report: Report, lines: Line[]) => string} */
function besideTable(report, lines) {
  if (lines.length === 0) return '';
  const [ours, ...others] = familiesOf(report);
  const measured = others.filter(([, names]) =>
    lines.some(({ figures }) => names.some((name) => name in figures)),
  );
  const families = [ours, ...measured];
  const heads = ['', 'this package', ...measured.map(([family]) => family), 'to the fastest'];
  const rows = lines.map((line) => [
    line.name,
    ...families.map(([, names]) => familyText(line, names)),
    line.fastest === undefined ? '' : ratioText(line.ratios[line.fastest], line.share),
  ]);
  return tableOf(heads, rows);
}

/** @type {(line: Line, names: string[]) => string} */
function familyText(line, names) {
  const best = bestOf(line, line.figures, names);
  return best === undefined ? '' : figureText(line.unit, line.figures[best]);
}

/** @param {Line[]} lines */
function aloneTable(lines) {
  if (lines.length === 0) return '';
  const rows = lines.map(({ name, unit, figures, floor }) => [
    name,
    figureText(unit, figures.ours),
    floor === undefined ? '' : figureText(unit, floor.figure),
  ]);
  return tableOf(['', 'this package', 'its floor'], rows);
}

/** @param {Report} report */
function notes(report) {
  const { date, machine, peers, effort } = report;
  return (
    `${date}, ${machineText(machine)}: ${versionsOf(peers).join(', ')}. ` +
    `Medians of ${effort.rounds} rounds, in which all take turns. Of a package with variants, the ` +
    'best one in each row.'
  );
}

/** @type {(heads: string[], rows: string[][]) => string} */
function tableOf(heads, rows) {
  const line = (/** @type {string[]} */ cells) => `| ${cells.join(' | ')} |`;
  const rule = heads.map((_, index) => (index === 0 ? '---' : '--:'));
  return [heads, rule, ...rows].map(line).join('\n');
}

module.exports = { markdownOf, familiesOf };
