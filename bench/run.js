'use strict';

// npm run bench: this package beside its peers, and beside the floors of the same run.
//
//     npm run bench -- [--only TEXT] [--quick] [--rounds N] [--json FILE]
//
// --only TEXT  scenarios whose name, or a row's name, contains the text
// --quick      few short rounds: a look, not a figure to quote
// --json FILE  the figures of all rounds
//
// Primaries are pinned to CPU 0, workers from CPU 1 on in turn, unless a scenario says otherwise.
// Quote ratios and not times: the machine may be busy with other things.

const fs = require('node:fs');
const os = require('node:os');
const { parseArgs } = require('node:util');
const { ours, others } = require('./peers/index.js');
const { resultsOf } = require('./results.js');
const { alone, beside } = require('./scenarios/index.js');
const { headText, textOf } = require('./table.js');
const { conduct } = require('./turns.js');

/** @typedef {import('./peers/index.js').Peer} Peer */
/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {import('./results.js').Result} Result */

/** A load from which on not even ratios can be quoted. */
const BUSY = 1;
const QUICK = { rounds: 3, ms: 50 };
const USUAL = { rounds: 11, ms: 200 };

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string', default: '' },
      quick: { type: 'boolean', default: false },
      rounds: { type: 'string' },
      json: { type: 'string' },
    },
  });
  const usual = values.quick ? QUICK : USUAL;
  const rounds = values.rounds === undefined ? usual.rounds : Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) throw new Error('--rounds: a number from 1 on');
  const only = values.only.toLowerCase();
  const isWanted = (/** @type {Scenario} */ { name, rows }) =>
    [name, ...rows.map((row) => row.name)].some((each) => each.toLowerCase().includes(only));
  return { isWanted, rounds, ms: usual.ms, json: values.json };
}

/** On a terminal the line is overwritten by the next one. @param {string} text */
function progress(text) {
  if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K${text}`);
}

/**
 * @param {{ head: string, scenarios: Scenario[], peers: Peer[] }} group
 * @param {{ rounds: number, ms: number }} effort
 */
async function measure({ head, scenarios, peers }, effort) {
  if (scenarios.length > 0) console.log(`\n${head}`);
  const measured = [];
  for (const scenario of scenarios) {
    const outcomes = await conduct(scenario, peers, { ...effort, progress });
    const results = resultsOf(scenario, outcomes);
    progress('');
    console.log(textOf(results));
    if (outcomes.some(({ pinned }) => !pinned)) console.log('  ! NOT PINNED: no taskset');
    measured.push({ name: scenario.name, cpus: scenario.cpus, results, outcomes });
  }
  return measured;
}

/** @param {Result[]} results */
function summary(results) {
  const judged = results.filter(({ goal }) => goal?.reached !== undefined);
  const missed = judged.filter(({ goal }) => !goal?.reached);
  const open = results.filter(
    (each) => each.troubles.length > 0 && each.goal && !judged.includes(each),
  );
  console.log(`\n${judged.length - missed.length} of ${judged.length} targets reached`);
  for (const { name } of missed) console.log(`  MISSED: ${name.trim()}`);
  for (const { name } of open) console.log(`  not measured: ${name.trim()}`);
}

async function main() {
  const { isWanted, rounds, ms, json } = options();
  const machine = `node ${process.version}, ${os.cpus().length} x ${os.cpus()[0].model.trim()}`;
  console.log(`${machine}; primaries on CPU 0, workers from CPU 1 on`);
  console.log(`${rounds} rounds; medians, and medians of the rounds' ratios`);
  const [load] = os.loadavg();
  if (load > BUSY) console.log(`! the machine is busy: load ${load.toFixed(1)}`);
  const groups = [
    {
      head: headText(others[0].name),
      scenarios: beside.filter(isWanted),
      peers: [ours, ...others],
    },
    { head: headText('its floor'), scenarios: alone.filter(isWanted), peers: [ours] },
  ];
  if (groups.every(({ scenarios }) => scenarios.length === 0)) {
    throw new Error('--only: no such scenario');
  }
  const measured = [];
  for (const group of groups) measured.push(...(await measure(group, { rounds, ms })));
  summary(measured.flatMap(({ results }) => results));
  const report = { machine, load, rounds, ms, measured };
  if (json) fs.writeFileSync(json, `${JSON.stringify(report, null, 1)}\n`);
}

main().then(
  () => process.exit(),
  (error) => {
    console.error(error.message);
    process.exit(1);
  },
);
