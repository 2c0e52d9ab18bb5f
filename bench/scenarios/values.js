'use strict';

// Values: one call after the other, many at once, long ones, and two workers beside each other.

const assert = require('node:assert');
const { now, repeat, sleepUntil } = require('../clock.js');
const { spread } = require('../cpus.js');
const { random } = require('./random.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Scenario} Scenario */

const USER = { name: 'Tom', age: 10 };
const AT_ONCE = 1000;
const MANY = 10_000;
const HEAD_START_MS = 20;

/** 1000 records of about 100 bytes each, as JSON. */
const record = (/** @type {number} */ id) => ({
  id: 1000 + id,
  name: `user ${id}`.padEnd(12),
  mail: `${id}@example.com`.padEnd(27),
  active: id % 2 === 0,
  score: 1000.5 + id,
});

/** What stands under which key. */
const VALUES = {
  user: USER,
  object: Array.from({ length: 1000 }, (_, id) => record(id)),
  text: 'x'.repeat(1e6),
};

const key = (/** @type {number} */ index) => `key:${index}`;

const jobs = {
  /** @param {Operations} operations */
  async fillValues(operations) {
    for (const [name, value] of Object.entries(VALUES)) {
      await operations.set(name, value);
      assert.deepStrictEqual(await operations.get(name), value);
    }
    await Promise.all(Array.from({ length: MANY }, (_, index) => operations.set(key(index), USER)));
  },

  /**
   * ns a call.
   * @param {Operations} operations
   * @param {{ call: 'get' | 'set', of: keyof typeof VALUES, ms: number }} input
   */
  async oneByOne(operations, { call, of, ms }) {
    const value = VALUES[of];
    const step = call === 'get' ? () => operations.get(of) : () => operations.set(of, value);
    const took = await repeat(step, ms);
    return (took.ms * 1e6) / took.done;
  },

  /**
   * Calls a second.
   * @param {Operations} operations
   * @param {{ call: 'get' | 'set', ms: number }} input
   */
  async atOnce(operations, { call, ms }) {
    const keys = Array.from({ length: AT_ONCE }, (_, index) => key(index));
    const one =
      call === 'get'
        ? (/** @type {string} */ name) => operations.get(name)
        : (/** @type {string} */ name) => operations.set(name, USER);
    const took = await repeat(() => Promise.all(keys.map(one)), ms);
    return (took.done * AT_ONCE * 1000) / took.ms;
  },

  /**
   * Calls a second.
   * @param {Operations} operations
   * @param {{ from: number, ms: number }} input
   */
  async mixed(operations, { from, ms }) {
    await sleepUntil(from);
    const took = await repeat(() => {
      const name = key(random(MANY));
      return random(10) === 0 ? operations.set(name, USER) : operations.get(name);
    }, ms);
    return (took.done * 1000) / took.ms;
  },
};

/** @type {(stage: import('./index.js').Stage) => Promise<void>} */
const prepare = (stage) => stage.worker(0, 'fillValues');

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'one after the other',
    cpus: spread(1),
    needs: ['get', 'set'],
    rows: [
      { name: 'await get', figure: 'get', unit: 'time', beside: { '1.1.5': { speed: 100 } } },
      { name: 'await set', figure: 'set', unit: 'time', beside: { '1.1.5': { speed: 80 } } },
    ],
    prepare,
    round: async (stage, { ms }) => ({
      get: await stage.worker(0, 'oneByOne', { call: 'get', of: 'user', ms }),
      set: await stage.worker(0, 'oneByOne', { call: 'set', of: 'user', ms }),
    }),
  },
  {
    name: '1 000 at once',
    cpus: spread(1),
    needs: ['get', 'set'],
    rows: [
      {
        name: '1 000 at once, get',
        figure: 'get',
        unit: 'rate',
        beside: { '1.1.5': { speed: 8 } },
      },
      {
        name: '1 000 at once, set',
        figure: 'set',
        unit: 'rate',
        beside: { '1.1.5': { speed: 8 } },
      },
    ],
    prepare,
    round: async (stage, { ms }) => ({
      get: await stage.worker(0, 'atOnce', { call: 'get', ms }),
      set: await stage.worker(0, 'atOnce', { call: 'set', ms }),
    }),
  },
  long('object', 'object of 100 KB', 2),
  long('text', 'string of 1 MB', 5),
  {
    name: 'two workers mixed 90/10',
    cpus: spread(2),
    needs: ['get', 'set'],
    rows: [
      {
        name: 'two workers mixed 90/10, awaited',
        figure: 'mixed',
        unit: 'rate',
        beside: { '1.1.5': { speed: 50 } },
      },
    ],
    prepare,
    async round(stage, { ms }) {
      /** @type {number[]} */
      const rates = await stage.workers('mixed', { from: now() + HEAD_START_MS, ms });
      return { mixed: rates.reduce((sum, rate) => sum + rate, 0) };
    },
  },
];

/** @type {(of: keyof typeof VALUES, name: string, speed: number) => Scenario} */
function long(of, name, speed) {
  return {
    name,
    cpus: spread(1),
    needs: ['get', 'set'],
    rows: [
      { name: `get ${name}`, figure: 'get', unit: 'time', beside: { '1.1.5': { speed } } },
      { name: `set ${name}`, figure: 'set', unit: 'time', beside: { '1.1.5': { speed } } },
    ],
    prepare,
    round: async (stage, { ms }) => ({
      get: await stage.worker(0, 'oneByOne', { call: 'get', of, ms }),
      set: await stage.worker(0, 'oneByOne', { call: 'set', of, ms }),
    }),
  };
}

module.exports = { scenarios, jobs };
