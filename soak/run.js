'use strict';

// npm run soak: the workers of a cluster do everything that the package offers, on few keys, while
// they are killed, stopped and sent away. All is recorded, and checked in rounds.
//
//     npm run soak -- --seconds 60 --seed 7 --workers 6
//     npm run soak -- --no-primary --host-kill-ms 100
//
// With --no-primary the workers are plain processes that share a name, and the one that hosts the hub
// is killed again and again. primary.js and group.js are the two ways to lead the rounds. rounds.js
// tells what happens in a round, member.js and actors/ what a thread does, recorder.js and records.js
// what is written down, check.js and checks/ what must hold.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { merge } = require('./check.js');
const { withoutPrimary } = require('./group.js');
const { withPrimary } = require('./primary.js');
const { Random } = require('./random.js');
const { printSaid, printTable, printViolations } = require('./report.js');
const { Rounds } = require('./rounds.js');

/**
 * Of what a soak is made.
 * @typedef {object} Parts
 * @property {{ seed: number, base: string, module: string }} settings
 * @property {number} workers
 * @property {InstanceType<typeof Random>} random
 * @property {(hand: import('./crew.js').Hand, what: string) => void} note what befalls a worker
 * @property {number} hostKillMs
 */

const LONGEST_ROUND_MS = 10_000;
const HOST_KILL_MS = 100;

function options() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
      workers: { type: 'string' },
      module: { type: 'string', default: path.join(__dirname, '..') },
      'no-primary': { type: 'boolean', default: false },
      'host-kill-ms': { type: 'string' },
    },
  });
  const isPlain = Boolean(values['no-primary']);
  const hostKillMs = Number(values['host-kill-ms'] ?? HOST_KILL_MS);
  if (values['host-kill-ms'] && !isPlain) throw new Error('--host-kill-ms needs --no-primary.');
  const seed = Number(values.seed);
  const random = new Random(seed);
  // Where the host is killed all the time, some are always just starting.
  const workers = Number(values.workers ?? random.integer(4, 8) + (isPlain ? 4 : 0));
  const { module } = values;
  return { seconds: Number(values.seconds), seed, workers, module, random, isPlain, hostKillMs };
}

async function main() {
  const { seconds, seed, workers, module, random, isPlain, hostKillMs } = options();
  const settings = { seed, base: String(process.hrtime.bigint()), module };
  /** @type {InstanceType<typeof Rounds>} */
  let rounds;
  const note = (/** @type {any} */ hand, /** @type {string} */ what) => rounds.note(hand, what);
  const parts = { settings, workers, random, note, hostKillMs };
  const { chosen, crew, faults, lead } = isPlain ? withoutPrimary(parts) : withPrimary(parts);
  console.log(`soak: seed ${seed}, ${seconds} s, ${workers} workers, ${JSON.stringify(chosen)}`);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'soak-'));
  rounds = new Rounds(lead, crew, faults, { folder, base: settings.base });
  process.on('uncaughtException', (error) => {
    console.error(error);
    crew.end();
    process.exit(1);
  });
  const outcome = await soak({ rounds, crew, seconds, lead });
  const violations = [...outcome.violations, ...crew.violations];
  printTable(outcome.figures);
  printSaid(outcome.said);
  if (violations.length > 0) {
    printViolations(violations, seed, folder);
    // Not by itself: what hangs may hang for ever.
    process.exit(1);
  }
  fs.rmSync(folder, { recursive: true });
  console.log('All is right.');
}

/** @type {(parts: { rounds: InstanceType<typeof Rounds>, crew: InstanceType<typeof import('./crew.js').Crew>, seconds: number, lead: import('./rounds.js').Lead }) => Promise<{ violations: string[], said: string[], figures: Record<string, number> }>} */
async function soak({ rounds, crew, seconds, lead }) {
  const roundMs = Math.min(LONGEST_ROUND_MS, (seconds * 1000) / 2);
  const end = performance.now() + seconds * 1000;
  /** @type {{ violations: string[], said: string[], figures: Record<string, number> }} */
  const all = { violations: [], said: [], figures: {} };
  try {
    crew.fill();
    do {
      const { violations, figures, said, ...where } = await rounds.run(roundMs);
      all.figures = merge([all.figures, figures, { rounds: 1 }]);
      all.said.push(...said);
      all.violations.push(...violations.map((text) => `round ${where.round}: ${text}`));
    } while (performance.now() < end && all.violations.length + crew.violations.length === 0);
    Object.assign(all.figures, await lead.end());
  } catch (error) {
    all.violations.push(String(/** @type {any} */ (error).stack));
    crew.end();
  }
  await lead.close();
  return all;
}

main();
