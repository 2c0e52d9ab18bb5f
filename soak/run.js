'use strict';

// npm run soak: the workers of a cluster do everything that the package offers, on few keys, while
// they are killed, stopped and sent away. All is recorded, and checked in rounds.
//
//     npm run soak -- --seconds 60 --seed 7 --workers 6
//
// rounds.js tells what happens in a round, member.js and actors/ what a thread does, recorder.js and
// records.js what is written down, check.js and checks/ what must hold.

const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { actOnEnds } = require('./actors/ends.js');
const { actOnExchanges } = require('./actors/exchanges.js');
const { actOnListeners } = require('./actors/listeners.js');
const { actOnLocks } = require('./actors/locks.js');
const { sleep } = require('./actors/pause.js');
const { actOnScans } = require('./actors/scans.js');
const { actOnLru, actOnValues } = require('./actors/values.js');
const { merge } = require('./check.js');
const { Crew } = require('./crew.js');
const { Faults } = require('./faults.js');
const { Member } = require('./member.js');
const { Random } = require('./random.js');
const { printSaid, printTable, printViolations } = require('./report.js');
const { Rounds } = require('./rounds.js');

const VERIFY = Symbol.for('cluster-shared-memory.verify');
const LONGEST_ROUND_MS = 10_000;
const MENDING_MS = 5000;

/** What the primary does, gently, for it has the faults to see to. */
const ACTORS = [
  actOnListeners({ all: true }),
  actOnValues({ most: 16, pauseMs: 40 }),
  actOnLru({ most: 4, pauseMs: 40 }),
  actOnLocks({ pauseMs: 60 }),
  actOnExchanges({ most: 8, pauseMs: 40 }),
  actOnEnds({ pauseMs: 40 }),
  actOnScans({ pauseMs: 80 }),
];

function options() {
  const { values } = parseArgs({
    options: {
      seconds: { type: 'string', default: '60' },
      seed: { type: 'string', default: String(1 + (Date.now() % 1_000_000)) },
      workers: { type: 'string' },
      module: { type: 'string', default: path.join(__dirname, '..') },
    },
  });
  const seed = Number(values.seed);
  const random = new Random(seed);
  const workers = values.workers ? Number(values.workers) : random.integer(4, 8);
  return { seconds: Number(values.seconds), seed, workers, module: values.module, random };
}

async function main() {
  const { seconds, seed, workers, module, random } = options();
  const memory = require(module);
  const chosen = configure(memory, random);
  console.log(`soak: seed ${seed}, ${seconds} s, ${workers} workers, ${JSON.stringify(chosen)}`);
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'soak-'));
  const settings = { seed, base: String(process.hrtime.bigint()), module };
  /** @type {InstanceType<typeof Rounds>} */
  let rounds;
  const note = (/** @type {any} */ hand, /** @type {string} */ what) => rounds.note(hand, what);
  const crew = new Crew(workers, settings, note);
  const faults = new Faults(crew, random, note);
  const identity = { ...settings, worker: 0, thread: 0 };
  const primary = new Member(memory, identity, ACTORS, faults.undisturbed);
  rounds = new Rounds(memory, crew, faults, primary, folder);
  process.on('uncaughtException', (error) => {
    console.error(error);
    crew.end();
    process.exit(1);
  });
  const outcome = await soak({ rounds, crew, seconds, memory });
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

/** @type {(memory: any, random: InstanceType<typeof Random>) => object} */
function configure(memory, random) {
  const mode = random.pick(['json', 'advanced']);
  const log = random.pick(['1mb', '64mb', '64mb']);
  for (const chosen of [
    { maxMemory: '512mb', mode, log },
    { maxMemory: '512mb', mode },
  ]) {
    try {
      memory.configure(chosen);
      return chosen;
    } catch (error) {
      if (/** @type {any} */ (error).code !== 'ERR_INVALID_ARG_VALUE') throw error;
    }
  }
  throw new Error('The memory takes no configuration.');
}

/** @type {(parts: { rounds: InstanceType<typeof Rounds>, crew: InstanceType<typeof Crew>, seconds: number, memory: any }) => Promise<{ violations: string[], said: string[], figures: Record<string, number> }>} */
async function soak({ rounds, crew, seconds, memory }) {
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
    await crew.dismiss();
    Object.assign(all.figures, await lastFigures(memory));
  } catch (error) {
    all.violations.push(String(/** @type {any} */ (error).stack));
    crew.end();
  }
  await memory.close();
  return all;
}

/** When all workers have ended: is everything whole, and were all of the dead seen off? @param {any} memory */
async function lastFigures(memory) {
  const deadline = performance.now() + MENDING_MS;
  let stats = await memory.stats();
  while (stats.members.length > 1 && performance.now() < deadline) {
    await sleep(20);
    stats = await memory.stats();
  }
  if (stats.members.length > 1) {
    throw new Error(`Members are left that have ended: ${JSON.stringify(stats.members)}`);
  }
  await memory[VERIFY]?.();
  return { repairs: stats.repairs, entriesLeft: stats.entries };
}

main();
