'use strict';

// The program of the workers of a soak, and of their threads.

const threads = require('node:worker_threads');
const { actOnEnds } = require('./actors/ends.js');
const { actOnExchanges } = require('./actors/exchanges.js');
const { actOnListeners } = require('./actors/listeners.js');
const { actOnLocks } = require('./actors/locks.js');
const { actNoisily } = require('./actors/noise.js');
const { actOnScans } = require('./actors/scans.js');
const { actOnLru, actOnValues } = require('./actors/values.js');
const { Companion } = require('./companion.js');
const { Member } = require('./member.js');
const { serve } = require('./orders.js');
const { MARK } = require('./records.js');

/** @typedef {import('./member.js').Identity & { module: string }} Settings */

const ACTORS = [
  actOnValues({ most: 48, pauseMs: 8 }),
  actOnValues({ most: 12, pauseMs: 3 }),
  actOnLru({ most: 16, pauseMs: 8 }),
  actOnLocks({ pauseMs: 4 }),
  actOnLocks({ pauseMs: 0 }),
  actOnListeners({ all: false }),
  actOnExchanges({ most: 24, pauseMs: 6 }),
  actOnEnds({ pauseMs: 10 }),
  actOnScans({ pauseMs: 20 }),
  actNoisily({ pauseMs: 4 }),
];

/** @param {Settings} settings */
async function workAsProcess(settings) {
  const memory = require(settings.module);
  const companion = new Companion(settings);
  const member = new Member(memory, settings, [...ACTORS, companion.act]);
  const send = (/** @type {object} */ message) => {
    if (process.connected) process.send?.(message, () => {});
  };
  await memory.has('ready');
  serve(process, send, {
    begin: (round) => member.begin(round),
    rest: () => member.rest(),
    finish: (lasts) => Promise.all([member.finish(lasts), companion.finish(lasts)]),
    leave: async ({ how }) => {
      await LEAVE[how](member, companion);
      // Nothing of ours may keep the process alive.
      setImmediate(() => process.disconnect?.());
    },
  });
  send({ soak: 'ready' });
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
  const member = new Member(memory, settings, ACTORS);
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
