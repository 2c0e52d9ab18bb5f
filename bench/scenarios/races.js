'use strict';

// This package alone: its workers beside each other, and what it costs one when another is killed.

const fs = require('node:fs');
const { now, sleep, sleepUntil } = require('../clock.js');
const { spread } = require('../cpus.js');
const { random } = require('./random.js');

/** @typedef {import('../../index.js').SharedMemory} SharedMemory */
/** @typedef {import('./index.js').Scenario} Scenario */

const OBJECT = { name: 'Tom', age: 10 };
const KEYS = Array.from({ length: 10_000 }, (_, index) => `raced:${index}`);
const STRIDE = 200;
const HEAD_START_MS = 20;

/** @type {Record<string, (memory: SharedMemory) => () => unknown>} */
const steps = {
  incr:
    ({ sync }) =>
    () =>
      sync.incr('raced'),
  mixed:
    ({ sync }) =>
    () => {
      const key = KEYS[random(KEYS.length)];
      return random(10) === 0 ? sync.set(key, OBJECT) : sync.get(key);
    },
};

const jobs = {
  /** @param {SharedMemory} memory */
  fillRaces(memory) {
    for (const key of KEYS) memory.sync.set(key, OBJECT);
  },

  /**
   * Does one step again and again for a time; gives how many a second, and the longest pause.
   * @param {SharedMemory} memory
   * @param {{ step: string, from: number, ms: number }} input
   */
  async race(memory, { step: name, from: start, ms }) {
    const step = steps[name](memory);
    await sleepUntil(start);
    let done = 0;
    let pause = { from: 0, to: 0 };
    const begun = now();
    let from = begun;
    while (from < begun + ms) {
      for (let i = 0; i < STRIDE; i += 1) step();
      done += STRIDE;
      const to = now();
      if (to - from > pause.to - pause.from) pause = { from, to };
      from = to;
    }
    return { rate: (done * 1000) / (from - begun), pause };
  },
};

const hostJobs = {
  /**
   * Kills a worker in the middle of a race with another; gives the other's longest pause in ns, and
   * the part of it that lies behind the kernel's report that the victim is dead.
   * @param {import('../host.js').Host} host
   */
  async kill({ fork, workers }) {
    const [survivor] = workers;
    const victim = await fork(0);
    const from = now() + 50;
    const dies = victim.line.ask('race', { step: 'incr', from, ms: 10_000 }).catch(() => {});
    const race = survivor.ask('race', { step: 'incr', from, ms: 400 });
    await sleep(150 + Math.random() * 200);
    victim.process.kill('SIGKILL');
    while (!isReported(Number(victim.process.pid)));
    const reported = now();
    const { pause } = await race;
    await dies;
    const covers = pause.from < reported && reported < pause.to;
    return {
      pause: (pause.to - pause.from) * 1e6,
      behind: covers ? (pause.to - reported) * 1e6 : 0,
    };
  },
};

/** Whether the kernel says that a process has ended, be it reaped or not. @param {number} pid */
function isReported(pid) {
  try {
    return fs.readFileSync(`/proc/${pid}/stat`, 'latin1').includes(') Z ');
  } catch {
    return true;
  }
}

/**
 * Steps a second, all workers together.
 * @param {import('./index.js').Stage} stage
 * @param {{ step: string, ms: number }} how
 * @param {number[]} which
 */
async function race(stage, { step, ms }, which) {
  const from = now() + HEAD_START_MS;
  /** @type {{ rate: number }[]} */
  const results = await stage.workers('race', { step, from, ms }, which);
  return results.reduce((sum, { rate }) => sum + rate, 0);
}

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'races',
    title: 'sync, workers beside each other',
    cpus: spread(2),
    needs: [],
    beside: [],
    rows: [
      { name: 'incr, one worker', figure: 'incr', unit: 'rate' },
      {
        name: 'incr, two workers, one key',
        figure: 'incrTwo',
        unit: 'rate',
        targets: [{ least: 8e6 }],
      },
      { name: 'mixed 90/10, one worker', figure: 'mixed', unit: 'rate' },
      {
        name: 'mixed 90/10, two workers',
        figure: 'mixedTwo',
        unit: 'rate',
        targets: [{ speed: 1.7, of: ['mixed'] }],
      },
    ],
    prepare: (stage) => stage.worker(0, 'fillRaces'),
    round: async (stage, { ms }) => ({
      incr: await race(stage, { step: 'incr', ms }, [0]),
      incrTwo: await race(stage, { step: 'incr', ms }, [0, 1]),
      mixed: await race(stage, { step: 'mixed', ms }, [0]),
      mixedTwo: await race(stage, { step: 'mixed', ms }, [0, 1]),
    }),
  },
  {
    name: 'killed',
    title: 'a worker is killed in the middle of its work',
    cpus: spread(1),
    needs: [],
    beside: [],
    rounds: 20,
    rows: [
      { name: 'longest pause when another is killed', figure: 'pause', unit: 'time', worst: true },
      {
        name: 'of it, behind the report of the death',
        detail: true,
        figure: 'behind',
        unit: 'time',
        worst: true,
        targets: [{ most: 20e6 }],
      },
    ],
    round: (stage) => stage.primary('kill'),
  },
];

module.exports = { scenarios, jobs, hostJobs, steps };
