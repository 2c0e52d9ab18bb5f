'use strict';

// The second act as a table, from what stands in shared memory and what the visitors tell.

const { counted, seconds, time, whole } = require('./words.js');

/** Workers that are shown: the living ones, and the killed ones if there is room. */
const MOST_ROWS = 8;

/** @typedef {import('./serving.js').Row} Row */
/**
 * @typedef {object} Moment
 * @property {string} url
 * @property {number} ms since the load began
 * @property {number} lengthMs
 * @property {Row[]} rows
 * @property {import('./seen.js').Seen} seen
 * @property {number} counted requests, under the mutex
 * @property {number} made pages
 */

/** @type {(...cells: (string | number)[]) => string} */
function columns(worker, pid, answered, share, heard, state) {
  const numbers = [pid, answered, share, heard].map((cell, i) =>
    String(cell).padStart([9, 12, 8, 10][i]),
  );
  return `  ${String(worker).padEnd(8)}${numbers.join('')}  ${state}`;
}

/** @param {Row[]} rows */
function shown(rows) {
  const living = rows.filter(({ isKilled }) => !isKilled);
  const room = Math.max(0, MOST_ROWS - living.length);
  const killed = rows.filter(({ isKilled }) => isKilled).slice(-room || rows.length);
  return [...killed, ...living].slice(0, MOST_ROWS);
}

/** @param {Moment} moment @returns {string[]} */
function linesOf({ url, ms, lengthMs, rows, seen, counted: requests, made }) {
  const answered = rows.reduce((sum, row) => sum + row.answered, 0);
  const table = shown(rows).map((row) => {
    const share = `${Math.round((100 * row.answered) / Math.max(1, answered))} %`;
    const state = row.isKilled ? 'killed by SIGKILL' : row.answered > 0 ? 'serving' : 'starting';
    return columns(row.id, row.pid, whole(row.answered), share, whole(row.heard), state);
  });
  const hidden = rows.length - table.length;
  const rate = seen.answered / Math.max(0.001, ms / 1000);
  return [
    `  ${url}${`${seconds(Math.min(ms, lengthMs))} of ${seconds(lengthMs)} s`.padStart(76 - url.length)}`,
    '',
    columns('worker', 'pid', 'requests', 'share', 'notices', ''),
    ...table,
    ...(hidden > 0 ? [`  and ${hidden} more`] : []),
    '',
    `  requests   ${whole(seen.answered)} answered, ${whole(rate)} a second, 99 of 100 within ${time(seen.p99Ns)}`,
    `  mutex      ${whole(requests)} counted under it, those under way included`,
    `  LRU cache  ${counted(made, 'page')} made, ${(100 - (100 * made) / Math.max(1, requests)).toFixed(1)} % of the requests found theirs`,
    `  kills      ${seen.cut === 0 ? 'none so far' : `${counted(seen.cut, 'request')} cut off, longest pause ${seen.pauseMs.toFixed(0)} ms`}`,
  ];
}

/** @param {Moment} moment */
function plainOf({ ms, rows, seen, counted: requests, made }) {
  const killed = rows.filter(({ isKilled }) => isKilled).length;
  return (
    `  ${seconds(ms)} s: ${whole(seen.answered)} answered, ${whole(requests)} counted, ` +
    `${counted(made, 'page')} made, ${whole(killed)} killed`
  );
}

module.exports = { linesOf, plainOf };
