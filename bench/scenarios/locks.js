'use strict';

// Locks: the usual cycle of a counter under a mutex, by one worker, by several on one key, and by
// many requests of one worker. The count must be exact after each round.

const { now, repeat, sleepUntil } = require('../clock.js');
const { onTwo, spread } = require('../cpus.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Scenario} Scenario */
/** @typedef {import('./index.js').Target} Target */

const COUNTER = 'counter';
const IN_FLIGHT = 1000;
const HEAD_START_MS = 20;

/** One turn. @param {Operations} operations */
const turn = (operations) => () =>
  operations.mutex(COUNTER, async () => {
    const { n } = await operations.get(COUNTER);
    await operations.set(COUNTER, { n: n + 1 });
  });

const jobs = {
  /** @param {Operations} operations */
  startCount: (operations) => operations.set(COUNTER, { n: 0 }),

  /** @param {Operations} operations */
  readCount: async (operations) => (await operations.get(COUNTER)).n,

  /**
   * One turn after the other.
   * @param {Operations} operations
   * @param {{ from: number, ms: number }} input
   */
  async turns(operations, { from, ms }) {
    await sleepUntil(from);
    const slept = sleeps();
    const took = await repeat(turn(operations), ms);
    return { ...took, sleeps: sleeps() - slept };
  },

  /**
   * Requests that are all in flight at once; each is followed by the next.
   * @param {Operations} operations
   * @param {{ ms: number }} input
   */
  async turnsInFlight(operations, { ms }) {
    const one = turn(operations);
    const slept = sleeps();
    const from = now();
    let done = 0;
    let over = false;
    const lane = async () => {
      while (!over) {
        await one();
        done += 1;
        if (done % 64 === 0) over = now() - from >= ms;
      }
    };
    await Promise.all(Array.from({ length: IN_FLIGHT }, lane));
    return { done, ms: now() - from, sleeps: sleeps() - slept };
  },

  sleeps,
};

/** How often a thread of this process has gone to sleep: each is a wake-up later. */
function sleeps() {
  return process.resourceUsage().voluntaryContextSwitches;
}

/** @typedef {{ done: number, ms: number, sleeps: number }} Counted */

/**
 * @param {string} name
 * @param {string} title
 * @param {{ job: string, cpus: number[], target: Target, picture?: string }} how
 * @returns {Scenario}
 */
function counting(name, title, { job, cpus, target, picture }) {
  return {
    name,
    title,
    cpus,
    needs: ['get', 'set', 'mutex'],
    rows: [
      { name: title, figure: 'rate', unit: 'rate', picture, targets: [target] },
      { name: 'sleeps a turn, all processes', figure: 'sleeps', unit: 'count', detail: true },
    ],
    prepare: (stage) => stage.worker(0, 'startCount'),
    async round(stage, { ms }) {
      const slept = await stage.primary('sleeps');
      const counted = await stage.primary('readCount');
      /** @type {Counted[]} */
      const workers = await stage.workers(job, { from: now() + HEAD_START_MS, ms });
      const turns = sum(workers.map(({ done }) => done));
      const difference = (await stage.primary('readCount')) - counted;
      if (difference !== turns) throw new Error(`counted ${difference} in ${turns} turns`);
      const sleepsOfPrimary = (await stage.primary('sleeps')) - slept;
      return {
        rate: sum(workers.map(({ done, ms: took }) => (done * 1000) / took)),
        sleeps: (sleepsOfPrimary + sum(workers.map((each) => each.sleeps))) / turns,
      };
    },
  };
}

/** @param {number[]} figures */
const sum = (figures) => figures.reduce((total, each) => total + each, 0);

/** @type {(speed: number) => Target} */
const faster = (speed) => ({ beside: '1.1.5', speed });

const scenarios = [
  counting('mutex-one', 'mutex with get and set, one worker', {
    job: 'turns',
    cpus: spread(1),
    target: faster(200),
  }),
  counting('mutex-two', 'mutex, two workers on one key', {
    job: 'turns',
    cpus: spread(2),
    target: faster(60),
    picture: 'mutex, two workers on one key',
  }),
  counting('mutex-four', 'mutex, four workers on two CPUs, one key', {
    job: 'turns',
    cpus: onTwo(4),
    target: faster(5),
  }),
  counting('mutex-flight', 'mutex, 1 000 in flight in one worker', {
    job: 'turnsInFlight',
    cpus: spread(1),
    target: { least: 0.5e6 },
  }),
];

module.exports = { scenarios, jobs };
