'use strict';

// The picture: for each telling row a bar for each package, on one scale of powers of ten. It brings
// its own background, so that it is read on a light page and on a dark one.

const { bestOf } = require('./figures.js');
const { familiesOf } = require('./markdown.js');
const { machineText, versionsOf } = require('./report.js');
const { digits, figureText, wrapped } = require('./words.js');

/** @typedef {import('./report.js').Report} Report */
/** @typedef {import('./results.js').Line} Line */
/** @typedef {{ name: string, rate: number }} Bar */
/** @typedef {{ head: string, note: string, bars: Bar[] }} Panel */
/** @typedef {{ low: number, high: number }} Scale powers of ten */

const WIDTH = 840;
const EDGE = 28;
const GAP = 36;
const PANEL = (WIDTH - 2 * EDGE - GAP) / 2;
/** Within a panel: names end here, and bars begin and end here; numbers have the rest. */
const AT = { name: 130, bar: 138, end: PANEL - 62 };
const HEIGHTS = { title: 84, head: 24, bar: 17, scale: 20, space: 22, note: 16 };
const BAR = 11;
/** How many letters of the notes fit into a line. */
const LETTERS = 138;

const STYLE = `
  text { font: 11.5px system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", sans-serif;
    fill: #57606a; font-variant-numeric: tabular-nums }
  .card { fill: #ffffff; stroke: #d0d7de }
  .title { font-size: 18px; font-weight: 600; fill: #1f2328 }
  .head { font-size: 13px; font-weight: 600; fill: #1f2328 }
  .ours { font-weight: 600; fill: #1f2328 }
  .small { font-size: 10.5px }
  .bar { fill: #b6bfc9 }
  .bar.mine { fill: #1a7f64 }
  .grid { stroke: #e3e7eb }
  .value { paint-order: stroke; stroke: #ffffff; stroke-width: 4px; stroke-linejoin: round }
  @media (prefers-color-scheme: dark) {
    text { fill: #9198a1 }
    .card { fill: #0d1117; stroke: #30363d }
    .title, .head, .ours { fill: #f0f6fc }
    .bar { fill: #4a535e }
    .bar.mine { fill: #3fb68b }
    .grid { stroke: #21262d }
    .value { stroke: #0d1117 }
  }`;

/**
 * @param {Report} report
 * @returns {string} SVG
 */
function pictureOf(report) {
  const lines = report.scenes.flatMap((scene) => scene.lines);
  const drawn = lines.filter(({ picture, figures }) => picture && figures.ours !== undefined);
  const panels = drawn.map((line) => panelOf(line, [...familiesOf(report).values()]));
  const scale = scaleOf(panels.flatMap(({ bars }) => bars.map(({ rate }) => rate)));
  const parts = [];
  let top = HEIGHTS.title;
  for (let first = 0; first < panels.length; first += 2) {
    const pair = panels.slice(first, first + 2);
    const bars = Math.max(...pair.map((panel) => panel.bars.length));
    parts.push(...pair.map((panel, side) => panelText(panel, { top, side, bars, scale })));
    top += HEIGHTS.head + bars * HEIGHTS.bar + HEIGHTS.scale + HEIGHTS.space;
  }
  const notes = notesOf(report);
  const height = top + notes.length * HEIGHTS.note + EDGE / 2;
  return framed(height, [...parts, ...notes.map((note, index) => noteText(note, index, top))]);
}

/** Calls a second of the best of each package. @type {(line: Line, families: string[][]) => Panel} */
function panelOf(line, families) {
  const { unit, figures, ratios, fastest, picture = '' } = line;
  const bars = families.flatMap((names) => {
    const name = bestOf(line, figures, names);
    if (name === undefined) return [];
    return [{ name, rate: unit === 'rate' ? figures[name] : 1e9 / figures[name] }];
  });
  const [mine, ...others] = bars;
  others.sort((a, b) => b.rate - a.rate);
  const note = fastest === undefined ? '' : `${digits(ratios[fastest])}x the fastest other`;
  return { head: picture, note, bars: [mine, ...others] };
}

/** @param {number[]} rates @returns {Scale} such that the shortest bar is still one */
function scaleOf(rates) {
  const [least, most] = [Math.min(...rates), Math.max(...rates)].map(Math.log10);
  return { low: Math.floor(least - 0.3), high: Math.ceil(most) };
}

/** @type {(scale: Scale, power: number) => number} */
const place = ({ low, high }, power) => AT.bar + ((power - low) / (high - low)) * (AT.end - AT.bar);

/**
 * @param {Panel} panel
 * @param {{ top: number, side: number, bars: number, scale: Scale }} where
 */
function panelText({ head, note, bars }, { top, side, bars: room, scale }) {
  const left = EDGE + side * (PANEL + GAP);
  const foot = HEIGHTS.head + room * HEIGHTS.bar;
  return [
    `<g transform="translate(${left} ${top})">`,
    `<text class="head" x="0" y="11">${escaped(head)}</text>`,
    `<text class="small" x="${PANEL}" y="11" text-anchor="end">${escaped(note)}</text>`,
    ...powersText(scale, foot),
    ...bars.map((bar, index) => barText(bar, index, scale)),
    '</g>',
  ].join('\n');
}

/** @type {(scale: Scale, foot: number) => string[]} */
function powersText(scale, foot) {
  const { low, high } = scale;
  const powers = Array.from({ length: high - low + 1 }, (_, index) => low + index);
  return powers.flatMap((power) => {
    const x = place(scale, power).toFixed(1);
    const line = `<line class="grid" x1="${x}" y1="${HEIGHTS.head}" x2="${x}" y2="${foot}"/>`;
    if ((power - low) % 2 === 1) return [line];
    const name = `<text class="small" x="${x}" y="${foot + 13}" text-anchor="middle">`;
    return [line, `${name}${powerText(power)}</text>`];
  });
}

/** As in: 10 K. @param {number} power */
function powerText(power) {
  const step = Math.floor(power / 3);
  return `${10 ** (power - 3 * step)}${['', ' K', ' M', ' G'][step] ?? ''}`;
}

/** @type {(bar: Bar, index: number, scale: Scale) => string} */
function barText({ name, rate }, index, scale) {
  const y = HEIGHTS.head + index * HEIGHTS.bar + (HEIGHTS.bar - BAR) / 2;
  const width = place(scale, Math.log10(rate)) - AT.bar;
  const isMine = name === 'ours';
  const style = isMine ? ' class="ours"' : '';
  const base = (y + BAR - 1.5).toFixed(1);
  return [
    `<text${style} x="${AT.name}" y="${base}" text-anchor="end">`,
    `${isMine ? 'this package' : escaped(name)}</text>`,
    `<rect class="bar${isMine ? ' mine' : ''}" x="${AT.bar}" y="${y.toFixed(1)}" `,
    `width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
    `<text class="value${isMine ? ' ours' : ''}" x="${(AT.bar + width + 6).toFixed(1)}" y="${base}">`,
    `${figureText('rate', rate)}</text>`,
  ].join('');
}

/** Versions and machine, in lines that are broken at commas. @param {Report} report */
function notesOf({ machine, date, peers, effort }) {
  const rounds = `${effort.rounds} rounds${effort.quick ? ' (quick)' : ''}`;
  return [versionsOf(peers).join(', '), `${machineText(machine)}, ${rounds}, ${date}`].flatMap(
    (text) => wrapped(text.split(', '), LETTERS),
  );
}

/** @type {(note: string, index: number, top: number) => string} */
const noteText = (note, index, top) =>
  `<text class="small" x="${EDGE}" y="${top + 4 + index * HEIGHTS.note}">${escaped(note)}</text>`;

/** @type {(height: number, parts: string[]) => string} */
function framed(height, parts) {
  const title = 'cluster-shared-memory beside other packages: calls a second';
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${height}" ` +
      `viewBox="0 0 ${WIDTH} ${height}" role="img" aria-label="${title}">`,
    `<title>${title}</title>`,
    `<style>${STYLE}\n</style>`,
    `<rect class="card" x="0.5" y="0.5" width="${WIDTH - 1}" height="${height - 1}" rx="8"/>`,
    `<text class="title" x="${EDGE}" y="38">Calls a second</text>`,
    `<text x="${EDGE}" y="57">Each line of the scale is ten times the one before. ` +
      'Of a package with variants, the fastest in each row.</text>',
    ...parts,
    '</svg>\n',
  ].join('\n');
}

/** @param {string} text */
const escaped = (text) => text.replace(/&/g, '&amp;').replace(/</g, '&lt;').replace(/>/g, '&gt;');

module.exports = { pictureOf };
