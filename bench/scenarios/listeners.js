'use strict';

// Listeners: from a set in one process to the callback in another, alone and among eight, and while
// the primary is blocked. Worker 0 sets, the others listen.

const { now, sleep, sleepUntil } = require('../clock.js');
const { spread } = require('../cpus.js');
const { median } = require('../figures.js');
const { random } = require('./random.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Stage} Stage */
/** @typedef {import('./index.js').Scenario} Scenario */

const KEY = 'news';
const FEWEST_NOTES = 30;
const HEAD_START_MS = 30;
/** For how long the last notes of a round are waited for. */
const LATE_MS = 3000;
/** Longer than it takes to send a note and to pause. */
const NOTE_MS = 5;
/** "No change" while the primary is blocked: rounds of one kind differ as much among themselves. */
const AS_BEFORE = 1.25;

/** How long each note of this round took, in ns. @type {number[]} */
const heard = [];

const jobs = {
  /** @param {Operations} operations */
  async startListening(operations) {
    operations.listen(KEY, ({ index, sent }) => {
      heard[index] = (now() - sent) * 1e6;
    });
    // Over one channel, the listener is there before this is answered.
    await operations.get(KEY);
  },

  /**
   * Changes the value again and again, with pauses in which everybody falls asleep.
   * @param {Operations} operations
   * @param {{ from: number, notes: number }} input
   */
  async send(operations, { from, notes }) {
    await sleepUntil(from);
    const sets = [];
    for (let index = 0; index < notes; index += 1) {
      sets.push(operations.set(KEY, { index, sent: now() }));
      await sleep(1 + random(3));
    }
    await Promise.all(sets);
  },

  /**
   * @param {Operations} _
   * @param {{ notes: number }} input
   */
  async takeHeard(_, { notes }) {
    const late = now() + LATE_MS;
    const count = () => heard.filter((each) => each !== undefined).length;
    while (count() < notes && now() < late) await sleep(5);
    if (count() < notes) throw new Error(`heard ${count()} of ${notes} changes`);
    return heard.splice(0);
  },
};

/** @type {(listeners: number) => (stage: Stage) => Promise<void>} */
const prepare = (listeners) => async (stage) => {
  await stage.workers('startListening', {}, spread(listeners));
};

/**
 * Has one process send, and gives the median of when the last listener had it, in ns.
 * @param {Stage} stage
 * @param {number} listeners
 * @param {{ ms: number, sender?: 'primary', blocked?: boolean }} how
 */
async function lastHeard(stage, listeners, { ms, sender, blocked = false }) {
  const notes = Math.max(FEWEST_NOTES, ms / 2);
  const from = now() + HEAD_START_MS;
  const order = { from, notes };
  const sent = sender ? stage.primary('send', order) : stage.worker(0, 'send', order);
  // After the order to send, which the primary passes on.
  if (blocked) await stage.primary('block', { from: from - 5, until: from + notes * NOTE_MS });
  await sent;
  /** @type {number[][]} */
  const all = await stage.workers('takeHeard', { notes }, spread(listeners));
  return median(all[0].map((_, index) => Math.max(...all.map((one) => one[index]))));
}

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'listen-one',
    title: 'listener, one way',
    cpus: spread(2),
    needs: ['set', 'listen'],
    rows: [
      {
        name: 'listener, one way, p50',
        figure: 'worker',
        unit: 'time',
        targets: [{ beside: '1.1.5', share: 0.6 }],
      },
      { name: 'set by the primary', figure: 'primary', unit: 'time', detail: true },
    ],
    prepare: prepare(1),
    round: async (stage, { ms }) => ({
      worker: await lastHeard(stage, 1, { ms }),
      primary: await lastHeard(stage, 1, { ms, sender: 'primary' }),
    }),
  },
  {
    name: 'listen-blocked',
    title: 'listener while the primary is blocked',
    // The primary has CPU 0 for itself: what is asked is who waits for it, not who shares its CPU.
    cpus: [1, 1],
    needs: ['set', 'listen'],
    rounds: 7,
    rows: [
      { name: 'listener, both workers on one CPU, p50', figure: 'free', unit: 'time' },
      {
        name: 'listener while the primary is blocked, p50',
        figure: 'blocked',
        unit: 'time',
        targets: [{ share: AS_BEFORE, of: ['free'] }],
      },
    ],
    prepare: prepare(1),
    round: async (stage, { ms }) => ({
      free: await lastHeard(stage, 1, { ms }),
      blocked: await lastHeard(stage, 1, { ms, blocked: true }),
    }),
  },
  {
    name: 'listen-eight',
    title: 'one change to 8 listening workers',
    cpus: spread(9),
    needs: ['set', 'listen'],
    rows: [
      {
        name: 'one change to 8 workers, the last, p50',
        figure: 'worker',
        unit: 'time',
        targets: [{ beside: '1.1.5', speed: 2 }],
      },
      { name: 'set by the primary', figure: 'primary', unit: 'time', detail: true },
    ],
    prepare: prepare(8),
    round: async (stage, { ms }) => ({
      worker: await lastHeard(stage, 8, { ms }),
      primary: await lastHeard(stage, 8, { ms, sender: 'primary' }),
    }),
  },
];

module.exports = { scenarios, jobs };
