'use strict';

// This package beside the floors of the same process: an empty call of the addon, JSON, an await.

const { loadBinding } = require('../../lib/binding.js');
const { newStatus } = require('../../lib/status.js');
const { now } = require('../clock.js');
const { spread } = require('../cpus.js');

/** @typedef {import('../../index.js').SharedMemory} SharedMemory */
/** @typedef {import('./index.js').Scenario} Scenario */
/** @typedef {import('./index.js').Row} Row */

/** How long one operation is repeated in a round, unless its parts are shorter. */
const ONE_MS = 60;
const OBJECT = { name: 'Tom', age: 10 };
const TEXT = JSON.stringify(OBJECT);

/** Does something so many times. @typedef {(calls: number) => void | Promise<void>} Loop */

/** Where results go, so that no loop is optimised away. @type {unknown} */
let sink;
/** @type {Map<string, { loop: Loop, calls: number }>} */
const calibrated = new Map();

/**
 * Each is a loop of its own: next to these, a call through a variable would count.
 * @returns {Record<string, Loop>}
 */
function floors() {
  const engine = /** @type {any} */ (loadBinding()).open({
    role: 'worker',
    thread: 0,
    status: newStatus().status,
    makeError: Error,
    warn() {},
    news() {},
    processors: 1,
  });
  return {
    call: (calls) => {
      for (let i = 0; i < calls; i += 1) engine.nothing();
    },
    parse: (calls) => {
      for (let i = 0; i < calls; i += 1) sink = JSON.parse(TEXT);
    },
    stringify: (calls) => {
      for (let i = 0; i < calls; i += 1) sink = JSON.stringify(OBJECT);
    },
    await: async (calls) => {
      const promise = Promise.resolve(OBJECT);
      for (let i = 0; i < calls; i += 1) sink = await promise;
    },
  };
}

/** @type {(memory: SharedMemory) => Record<string, Loop>} */
const operations = (memory) => {
  const { sync } = memory;
  return {
    'sync get object': (calls) => {
      for (let i = 0; i < calls; i += 1) sink = sync.get('user:1');
    },
    'sync set object': (calls) => {
      for (let i = 0; i < calls; i += 1) sync.set('user:1', OBJECT);
    },
    'await get object': async (calls) => {
      for (let i = 0; i < calls; i += 1) sink = await memory.get('user:1');
    },
    'await set object': async (calls) => {
      for (let i = 0; i < calls; i += 1) await memory.set('user:1', OBJECT);
    },
    'sync get string': (calls) => {
      for (let i = 0; i < calls; i += 1) sink = sync.get('string');
    },
    'sync get number': (calls) => {
      for (let i = 0; i < calls; i += 1) sink = sync.get('number');
    },
    'sync incr': (calls) => {
      for (let i = 0; i < calls; i += 1) sink = sync.incr('alone');
    },
  };
};

/** ns a call. @param {Loop} loop @param {number} calls */
async function time(loop, calls) {
  const from = now();
  await loop(calls);
  return ((now() - from) * 1e6) / calls;
}

/** How many calls take about a round; warms up on the way. @param {Loop} loop */
async function calibrate(loop) {
  for (let calls = 1000; ; calls *= 2) {
    const took = (await time(loop, calls)) * calls;
    if (took > ONE_MS * 5e5) return Math.ceil((calls * ONE_MS * 1e6) / took);
  }
}

const jobs = {
  /** @param {SharedMemory} memory */
  async calibrateFloors(memory) {
    memory.sync.set('user:1', OBJECT);
    memory.sync.set('string', 'hello');
    memory.sync.set('number', 42);
    for (const [name, loop] of Object.entries({ ...floors(), ...operations(memory) })) {
      calibrated.set(name, { loop, calls: await calibrate(loop) });
    }
  },

  /**
   * ns a call of each, in turn. What a get decodes stands beside what decoding costs, so nothing is
   * kept decoded meanwhile.
   * @param {SharedMemory} memory
   * @param {{ ms: number }} input
   */
  async timeFloors(memory, { ms }) {
    memory.configure({ valueCache: 0 });
    const share = Math.min(1, ms / ONE_MS);
    /** @type {Record<string, number>} */
    const took = {};
    for (const [name, { loop, calls }] of calibrated) {
      took[name] = await time(loop, Math.ceil(calls * share));
    }
    if (sink === undefined) throw new Error('there was nothing to read');
    memory.configure({ valueCache: '8mb' });
    return took;
  },
};

/** @type {(name: string, target?: import('./index.js').Target) => Row} */
const row = (name, target) => ({
  name,
  figure: name,
  unit: 'time',
  targets: target ? [target] : [],
});

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'floors',
    title: 'beside the floors of the same process',
    cpus: spread(1),
    needs: [],
    beside: [],
    rows: [
      { name: 'empty Node-API call', figure: 'call', unit: 'time' },
      { name: 'JSON.parse', figure: 'parse', unit: 'time' },
      { name: 'JSON.stringify', figure: 'stringify', unit: 'time' },
      { name: 'await a resolved promise', figure: 'await', unit: 'time' },
      row('sync get object', { share: 1.35, of: ['call', 'parse'] }),
      row('await get object', { share: 2, of: ['call', 'parse', 'await'] }),
      row('sync set object', { of: ['call', 'stringify'] }),
      row('await set object', { of: ['call', 'stringify', 'await'] }),
      row('sync get string', { most: 110 }),
      row('sync get number', { most: 110 }),
      row('sync incr'),
    ],
    prepare: (stage) => stage.worker(0, 'calibrateFloors'),
    round: (stage, { ms }) => stage.worker(0, 'timeFloors', { ms }),
  },
];

module.exports = { scenarios, jobs };
