'use strict';

// What a soak did, as a table, and what it found.

/** How many violations are shown. */
const SHOWN = 5;

/** @type {ReadonlyArray<readonly [string, (figures: Record<string, number>) => string]>} */
const ROWS = [
  ['rounds', (f) => count(f.rounds)],
  ['operations', (f) => count(f.operations)],
  ['  get, set, remove', (f) => [f.get, f.set, f.remove].map(count).join(', ')],
  ['  has, incr', (f) => [f.has, f.incr].map(count).join(', ')],
  ['  add, replace, swap', (f) => [f.add, f.replace, f.swap].map(count).join(', ')],
  ['  exchange, take, update', (f) => [f.exchange, f.take, f.update].map(count).join(', ')],
  ['  touch, scan', (f) => [f.touch, f.scan].map(count).join(', ')],
  ['  lock, release', (f) => [f.lock, f.release].map(count).join(', ')],
  ['  listen, unlisten', (f) => [f.listen, f.unlisten].map(count).join(', ')],
  ['  under way at a death', (f) => count(f.lost)],
  ['  refused: busy or closed', (f) => count(f.busy)],
  ['kills', (f) => count(f.kill)],
  ['stops', (f) => count(f.stop)],
  ['leaves', (f) => count(f.leave)],
  ['processes and threads', (f) => count(f.members)],
  ['windows checked', (f) => count(f.windows)],
  ['  most open at once', (f) => count(f.widest)],
  ['  most configurations', (f) => count(f.configurations)],
  ['  keys left undecided', (f) => count(f.undecided)],
  ['values that ended, looked for', (f) => [f.ended, f.looked].map(count).join(', ')],
  ['locks granted', (f) => count(f.grants)],
  ['  longest wait', (f) => `${(f.longestWaitMs ?? 0).toFixed(0)} ms`],
  ['notices', (f) => count(f.notices)],
  ['  skipped, as told', (f) => count(f.skipped)],
  ['  orders heard whole, in part', (f) => [f.witnessed, f.unwitnessed].map(count).join(', ')],
  ['latches taken over', (f) => count(f.repairs)],
  ['entries left', (f) => count(f.entriesLeft)],
  ['seconds checking', (f) => (f.checkSeconds ?? 0).toFixed(1)],
];

/** Where there is no primary. @type {typeof ROWS} */
const ROWS_OF_HOSTS = [
  ['hosts of the hub killed', (f) => count(f.hostKills)],
  ['  another since the kill', (f) => middleAndMost(f.sinceKillMs, f.sinceKillLongestMs)],
  ['  since it was reported', (f) => middleAndMost(f.sinceDeathMs, f.sinceDeathLongestMs)],
  ['  nobody else was there', (f) => count(f.spared)],
  ['newcomers', (f) => count(f.joins)],
  ['  waited to join', (f) => middleAndMost(f.joinMs, f.joinLongestMs)],
];

/** @param {Record<string, number>} figures */
function printTable(figures) {
  const rows = figures.hostKills === undefined ? ROWS : [...ROWS, ...ROWS_OF_HOSTS];
  for (const [name, text] of rows) console.log(`${name.padEnd(30)} ${text(figures)}`);
}

/** @type {(violations: string[], seed: number, folder: string) => void} */
function printViolations(violations, seed, folder) {
  console.error(`\nSOMETHING IS WRONG (seed ${seed}): ${violations.length} violations\n`);
  for (const violation of violations.slice(0, SHOWN)) console.error(`- ${violation}\n`);
  if (violations.length > SHOWN) console.error(`... and ${violations.length - SHOWN} more\n`);
  console.error(`The histories are in ${folder}; node soak/check.js <round> checks one again.`);
}

/** @param {string[]} said by the loggers */
function printSaid(said) {
  const distinct = new Map();
  for (const text of said) {
    const what = text.slice(text.indexOf(' ') + 1);
    distinct.set(what, (distinct.get(what) ?? 0) + 1);
  }
  for (const [what, times] of [...distinct].slice(0, SHOWN)) {
    console.log(`logger, ${times} times: ${what}`);
  }
}

/** @type {(middle: number, most: number) => string} */
function middleAndMost(middle, most) {
  return `${middle.toFixed(1)} ms in the middle, ${most.toFixed(1)} ms at most`;
}

/** @param {number | undefined} figure */
function count(figure = 0) {
  return figure.toLocaleString('en');
}

module.exports = { printTable, printViolations, printSaid };
