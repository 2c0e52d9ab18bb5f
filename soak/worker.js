'use strict';

// The program of the workers of a soak, and of their threads. Where there is no primary, one of the
// workers does its chores, and all of them listen to all watched keys.

const threads = require('node:worker_threads');
const { actOnEnds } = require('./actors/ends.js');
const { actOnExchanges } = require('./actors/exchanges.js');
const { actOnListeners } = require('./actors/listeners.js');
const { actOnLocks } = require('./actors/locks.js');
const { actNoisily } = require('./actors/noise.js');
const { sleep } = require('./actors/pause.js');
const { actOnScans } = require('./actors/scans.js');
const { actOnLru, actOnValues } = require('./actors/values.js');
const { changeLast, cleanUp, lastFigures, setUp } = require('./chores.js');
const { Companion } = require('./companion.js');
const { see } = require('./hosts.js');
const { Member } = require('./member.js');
const { serve } = require('./orders.js');
const { MARK } = require('./records.js');

/**
 * @typedef {import('./member.js').Identity & { module: string, configured?: object }} Settings
 *   configured: what a worker without a primary configures
 */

/**
 * What a thread does, with pauses that are longer by a factor.
 * @param {number} [slower]
 */
const actors = (slower = 1) => [
  actOnValues({ most: 48, pauseMs: 8 * slower }),
  actOnValues({ most: 12, pauseMs: 3 * slower }),
  actOnLru({ most: 16, pauseMs: 8 * slower }),
  actOnLocks({ pauseMs: 4 * slower }),
  actOnLocks({ pauseMs: slower - 1 }),
  actOnListeners({ all: false }),
  actOnExchanges({ most: 24, pauseMs: 6 * slower }),
  actOnEnds({ pauseMs: 10 * slower }),
  actOnScans({ pauseMs: 20 * slower }),
  actNoisily({ pauseMs: 4 * slower }),
];

/** Without a primary, ten are started every second: the others must leave them some time. */
const SLOWER = 6;
const TAKEOVER_MS = 5000;
/** The maker of the segment notes its number in it. */
const MADE_BY = 'soak: made by';

/** @param {Settings} settings */
async function workAsProcess(settings) {
  const memory = require(settings.module);
  const isPlain = settings.configured !== undefined;
  if (isPlain) memory.configure({ ...settings.configured, ...nameOf(process.env) });
  const companion = new Companion(settings);
  // Who listens does so before it begins anything else.
  const work = isPlain ? [actOnListeners({ all: true }), ...actors(SLOWER)] : actors();
  const member = new Member(memory, settings, [...work, companion.act]);
  const send = (/** @type {object} */ message) => {
    if (process.connected) process.send?.(message, () => {});
  };
  // Nobody is left behind. The workers of a cluster see to that by themselves.
  const endToo = () => process.exit();
  process.once('disconnect', endToo);
  const began = performance.now();
  await memory.has('ready');
  const joinMs = performance.now() - began;
  const segment = isPlain ? await makerOf(memory, settings.worker) : undefined;
  serve(process, send, {
    begin: (round) => member.begin(round),
    rest: () => member.rest(),
    finish: (lasts) => Promise.all([member.finish(lasts), companion.finish(lasts)]),
    leave: async ({ how }) => {
      await LEAVE[how](member, companion);
      process.off('disconnect', endToo);
      // Nothing of ours may keep the process alive.
      setImmediate(() => process.disconnect?.());
    },
    ...choresOf(memory, member, companion, settings),
  });
  send({ soak: 'ready', joinMs, segment });
}

/** @param {NodeJS.ProcessEnv} env */
const nameOf = ({ SOAK_NAME }) => (SOAK_NAME === undefined ? {} : { name: SOAK_NAME });

/** @type {(memory: any, worker: number) => Promise<string>} */
async function makerOf(memory, worker) {
  await memory.add(MADE_BY, String(worker));
  return memory.get(MADE_BY);
}

/**
 * What a worker does for one that is no member.
 * @type {(memory: any, member: InstanceType<typeof Member>, companion: InstanceType<typeof Companion>, settings: Settings) => Record<string, (details: any) => unknown>}
 */
function choresOf(memory, member, companion, { base }) {
  return {
    see: ({ other }) => see(memory, other, base),
    setUp: ({ round }) => {
      setUp(memory, round);
      return 'OK';
    },
    // Who came when all were to rest has no part in the round.
    changeLast: () => member.task && changeLast(member.task),
    cleanUp: ({ round }) => {
      cleanUp(memory, round);
      return 'OK';
    },
    lookOver: async () => {
      await companion.leave();
      await memory.remove(MADE_BY);
      return lookOver(memory).catch((problem) => ({ problem: String(problem.stack) }));
    },
  };
}

/** What the last member finds. @param {any} memory */
async function lookOver(memory) {
  const figures = await lastFigures(memory);
  const deadline = performance.now() + TAKEOVER_MS;
  let stats = await memory.stats();
  while (stats.host !== process.pid && performance.now() < deadline) {
    await sleep(5);
    stats = await memory.stats();
  }
  if (stats.host === process.pid) return { figures, name: stats.name };
  throw new Error(`The last member does not host the hub, but ${stats.host}.`);
}

/** The ways to end without being killed. @type {Record<string, (member: InstanceType<typeof Member>, companion: InstanceType<typeof Companion>) => unknown>} */
const LEAVE = {
  /** When all is done. */
  async resting(member, companion) {
    await member.rest();
    await companion.leave();
    await member.close();
  },
  /** In the middle of everything, but with close(). */
  async closing(member, companion) {
    await member.close();
    await companion.leave();
  },
  /** In the middle of everything. */
  exiting(member) {
    member.task?.recorder.markNow(MARK.EXITING);
    process.exit();
  },
};

/** @param {import('node:worker_threads').MessagePort} port @param {Settings} settings */
async function workAsThread(port, settings) {
  const memory = require(settings.module);
  const member = new Member(memory, settings, actors(settings.configured ? SLOWER : 1));
  const send = (/** @type {object} */ message) => port.postMessage(message);
  await memory.has('ready');
  serve(port, send, {
    begin: (round) => member.begin(round),
    rest: () => member.rest(),
    finish: (lasts) => member.finish(lasts),
    leave: async () => {
      await member.rest();
      await member.close();
      setImmediate(() => port.close());
    },
  });
  send({ soak: 'ready' });
}

if (threads.parentPort) workAsThread(threads.parentPort, threads.workerData);
else workAsProcess(JSON.parse(String(process.env.SOAK_WORKER)));
