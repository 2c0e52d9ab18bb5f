'use strict';

// Values: one call after the other, many at once, long ones, and two workers beside each other.

const assert = require('node:assert');
const { now, repeat, sleepUntil } = require('../clock.js');
const { spread } = require('../cpus.js');
const { random } = require('./random.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Stage} Stage */
/** @typedef {import('./index.js').Scenario} Scenario */

const USER = { name: 'Tom', age: 10 };
const AT_ONCE = 1000;
const MANY = 10_000;
const HEAD_START_MS = 20;
const COUNTER = 'counted';

/** One of 1000 records of about 100 bytes each, as JSON. */
const record = (/** @type {number} */ id) => ({
  id: 1000 + id,
  name: `user ${id}`.padEnd(12),
  mail: `${id}@example.com`.padEnd(27),
  active: id % 2 === 0,
  score: 1000.5 + id,
});

/**
 * What stands under which key. An object, and no array, for ems reads arrays by `eval`, of which V8
 * remembers the outcome as long as the text stays the same.
 */
const VALUES = {
  user: USER,
  object: { users: Array.from({ length: 1000 }, (_, id) => record(id)) },
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

  /** @param {Operations} operations */
  startIncr: (operations) => operations.set(COUNTER, 0),

  /** @param {Operations} operations */
  readIncr: (operations) => operations.get(COUNTER),

  /**
   * @param {Operations} operations
   * @param {{ from: number, ms: number }} input
   */
  async incr(operations, { from, ms }) {
    await sleepUntil(from);
    return repeat(() => operations.incr(COUNTER), ms);
  },
};

/** @type {(stage: Stage) => Promise<void>} */
const prepare = (stage) => stage.worker(0, 'fillValues');

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'get-set',
    title: 'one after the other, awaited',
    cpus: spread(1),
    needs: ['get', 'set'],
    rows: [
      {
        name: 'await get, small object',
        figure: 'get',
        unit: 'time',
        picture: 'get, small object, awaited',
        targets: [
          { beside: '1.1.5', speed: 100 },
          { beside: 'fastest', speed: 1.2 },
          { beside: 'lmdb json fresh', speed: 2 },
          { beside: 'lmdb msgpack fresh', speed: 2 },
        ],
      },
      {
        name: 'await set, small object',
        figure: 'set',
        unit: 'time',
        picture: 'set, small object, awaited',
        targets: [
          { beside: '1.1.5', speed: 80 },
          { beside: 'fastest', speed: 1.3 },
        ],
      },
    ],
    prepare,
    round: async (stage, { ms }) => ({
      get: await stage.worker(0, 'oneByOne', { call: 'get', of: 'user', ms }),
      set: await stage.worker(0, 'oneByOne', { call: 'set', of: 'user', ms }),
    }),
  },
  {
    name: 'at-once',
    title: '1 000 at once',
    cpus: spread(1),
    needs: ['get', 'set'],
    rows: [
      {
        name: '1 000 at once, get',
        figure: 'get',
        unit: 'rate',
        targets: [{ beside: '1.1.5', speed: 8 }],
      },
      {
        name: '1 000 at once, set',
        figure: 'set',
        unit: 'rate',
        targets: [{ beside: '1.1.5', speed: 8 }],
      },
    ],
    prepare,
    round: async (stage, { ms }) => ({
      get: await stage.worker(0, 'atOnce', { call: 'get', ms }),
      set: await stage.worker(0, 'atOnce', { call: 'set', ms }),
    }),
  },
  long('object', 'object of 100 KB', { speed: 2, ahead: 1 }),
  long('text', 'string of 1 MB', { speed: 5, ahead: 2 }),
  {
    name: 'mixed',
    title: 'two workers mixed 90/10, awaited',
    cpus: spread(2),
    needs: ['get', 'set'],
    rows: [
      {
        name: 'two workers mixed 90/10, awaited',
        figure: 'mixed',
        unit: 'rate',
        picture: 'two workers, 90 % get, 10 % set',
        targets: [
          { beside: '1.1.5', speed: 50 },
          { beside: 'fastest', speed: 2.5 },
        ],
      },
    ],
    prepare,
    async round(stage, { ms }) {
      /** @type {number[]} */
      const rates = await stage.workers('mixed', { from: now() + HEAD_START_MS, ms });
      return { mixed: rates.reduce((sum, rate) => sum + rate, 0) };
    },
  },
  {
    name: 'incr',
    title: 'incr by two workers on one key, awaited',
    cpus: spread(2),
    needs: ['get', 'set', 'incr'],
    rows: [
      {
        name: 'incr by two workers on one key, awaited',
        figure: 'rate',
        unit: 'rate',
        picture: 'incr of one key by two workers',
      },
    ],
    prepare: (stage) => stage.worker(0, 'startIncr'),
    async round(stage, { ms }) {
      const before = await stage.worker(0, 'readIncr');
      /** @type {{ done: number, ms: number }[]} */
      const workers = await stage.workers('incr', { from: now() + HEAD_START_MS, ms });
      const calls = workers.reduce((sum, { done }) => sum + done, 0);
      const counted = (await stage.worker(0, 'readIncr')) - before;
      if (counted !== calls) throw new Error(`counted ${counted} in ${calls} calls`);
      return { rate: workers.reduce((sum, each) => sum + (each.done * 1000) / each.ms, 0) };
    },
  },
];

/**
 * @param {keyof typeof VALUES} of
 * @param {string} what
 * @param {{ speed: number, ahead: number }} times as fast as 1.1.5, and as the fastest alike
 * @returns {Scenario}
 */
function long(of, what, { speed, ahead }) {
  /** @type {(call: 'get' | 'set') => import('./index.js').Row} */
  const row = (call) => ({
    name: `${call} ${what}`,
    figure: call,
    unit: 'time',
    picture: call === 'get' ? `get, ${what}, unchanged` : undefined,
    targets: [
      { beside: '1.1.5', speed },
      { beside: 'fastest', storing: 'json', speed: ahead },
    ],
  });
  return {
    name: of,
    title: `${what}, awaited`,
    cpus: spread(1),
    needs: ['get', 'set'],
    rows: [row('get'), row('set')],
    prepare,
    round: async (stage, { ms }) => ({
      get: await stage.worker(0, 'oneByOne', { call: 'get', of, ms }),
      set: await stage.worker(0, 'oneByOne', { call: 'set', of, ms }),
    }),
  };
}

module.exports = { scenarios, jobs };
