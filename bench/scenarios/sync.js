'use strict';

// Calls that give their result at once: small values one after the other, two workers beside each
// other, and a count that two share. Whoever has no such calls is not in here.

const { now, repeatLoop, sleepUntil } = require('../clock.js');
const { spread } = require('../cpus.js');
const { random } = require('./random.js');

/** @typedef {import('../peers/index.js').Sync} Sync */
/** @typedef {import('./index.js').Stage} Stage */
/** @typedef {import('./index.js').Scenario} Scenario */
/** @typedef {{ sync: Sync }} Operations */

const OBJECT = { name: 'Tom', age: 10 };
const HEAD_START_MS = 20;
const COUNTER = 'sync:count';

/** In turn, so that no read is of the value that was read last. A power of two. */
const IN_TURN = Array.from({ length: 1024 }, (_, index) => `sync:${index}`);
const MANY = Array.from({ length: 10_000 }, (_, index) => `sync:mixed:${index}`);

/** Where results go, so that no loop is optimised away. @type {unknown} */
let sink;

/** @type {(sync: Sync) => Record<string, (calls: number) => void>} */
const loops = ({ get, set, incr }) => ({
  object: (calls) => {
    for (let i = 0; i < calls; i += 1) sink = get(IN_TURN[i & 1023]);
  },
  same: (calls) => {
    for (let i = 0; i < calls; i += 1) sink = get('sync:same');
  },
  string: (calls) => {
    for (let i = 0; i < calls; i += 1) sink = get('sync:string');
  },
  number: (calls) => {
    for (let i = 0; i < calls; i += 1) sink = get('sync:number');
  },
  set: (calls) => {
    for (let i = 0; i < calls; i += 1) set(IN_TURN[i & 1023], OBJECT);
  },
  mixed: (calls) => {
    for (let i = 0; i < calls; i += 1) {
      const key = MANY[random(MANY.length)];
      if (random(10) === 0) set(key, OBJECT);
      else sink = get(key);
    }
  },
  incr: (calls) => {
    for (let i = 0; i < calls; i += 1) sink = incr(COUNTER);
  },
});

const jobs = {
  /** @param {Operations} operations */
  fillSync({ sync }) {
    for (const key of [...IN_TURN, ...MANY, 'sync:same']) sync.set(key, OBJECT);
    sync.set('sync:string', 'hello');
    sync.set('sync:number', 42);
    sync.set(COUNTER, 0);
  },

  /** @param {Operations} operations */
  readSync: ({ sync }) => sync.get(COUNTER),

  /**
   * ns a call, and how many there were.
   * @param {Operations} operations
   * @param {{ loop: string, ms: number, from?: number }} input
   */
  async loopSync({ sync }, { loop: name, ms, from = now() }) {
    const loop = loops(sync)[name];
    let done = 0;
    await sleepUntil(from);
    const took = repeatLoop((calls) => {
      loop(calls);
      done += calls;
    }, ms);
    if (name !== 'set' && sink === undefined) throw new Error('there was nothing to read');
    return { took, done };
  },
};

/** @type {(stage: Stage) => Promise<void>} */
const prepare = (stage) => stage.worker(0, 'fillSync');

/** @type {(stage: Stage, loop: string, ms: number) => Promise<number>} */
const alone = async (stage, loop, ms) => (await stage.worker(0, 'loopSync', { loop, ms })).took;

/**
 * Calls a second, all workers together; and how many there were.
 * @param {Stage} stage
 * @param {string} loop
 * @param {number} ms
 */
async function together(stage, loop, ms) {
  /** @type {{ took: number, done: number }[]} */
  const workers = await stage.workers('loopSync', { loop, ms, from: now() + HEAD_START_MS });
  return {
    rate: workers.reduce((sum, { took }) => sum + 1e9 / took, 0),
    done: workers.reduce((sum, { done }) => sum + done, 0),
  };
}

/** @type {(speed: number) => import('./index.js').Target[]} */
const ahead = (speed) => [{ beside: 'fastest', speed }];

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'sync-values',
    title: 'one after the other, sync',
    cpus: spread(1),
    needs: ['sync.get', 'sync.set'],
    rows: [
      {
        name: 'sync get, small object',
        figure: 'object',
        unit: 'time',
        picture: 'get, small object, sync',
        targets: ahead(1.1),
      },
      {
        name: 'sync get, the same value again',
        figure: 'same',
        unit: 'time',
        targets: ahead(2),
      },
      { name: 'sync get, short string', figure: 'string', unit: 'time', targets: ahead(1.8) },
      { name: 'sync get, number', figure: 'number', unit: 'time', targets: ahead(1.8) },
      { name: 'sync set, small object', figure: 'set', unit: 'time', targets: ahead(1.5) },
    ],
    prepare,
    round: async (stage, { ms }) => ({
      object: await alone(stage, 'object', ms),
      same: await alone(stage, 'same', ms),
      string: await alone(stage, 'string', ms),
      number: await alone(stage, 'number', ms),
      set: await alone(stage, 'set', ms),
    }),
  },
  {
    name: 'sync-mixed',
    title: 'two workers mixed 90/10, sync',
    cpus: spread(2),
    needs: ['sync.get', 'sync.set'],
    rows: [
      {
        name: 'two workers mixed 90/10, sync',
        figure: 'mixed',
        unit: 'rate',
        targets: ahead(2.5),
      },
    ],
    prepare,
    round: async (stage, { ms }) => ({ mixed: (await together(stage, 'mixed', ms)).rate }),
  },
  {
    name: 'sync-incr',
    title: 'incr by two workers on one key, sync',
    cpus: spread(2),
    needs: ['sync.get', 'sync.set', 'sync.incr'],
    rows: [
      {
        name: 'incr by two workers on one key, sync',
        figure: 'rate',
        unit: 'rate',
        targets: ahead(2),
      },
    ],
    prepare,
    async round(stage, { ms }) {
      const before = await stage.worker(0, 'readSync');
      const { rate, done } = await together(stage, 'incr', ms);
      const counted = (await stage.worker(0, 'readSync')) - before;
      if (counted !== done) throw new Error(`counted ${counted} in ${done} calls`);
      return { rate };
    },
  },
];

module.exports = { scenarios, jobs };
