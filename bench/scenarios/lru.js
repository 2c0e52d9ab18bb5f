'use strict';

// The LRU: one call after the other, over keys that all move within its order.

const { repeat } = require('../clock.js');
const { spread } = require('../cpus.js');

/** @typedef {import('../peers/index.js').Operations} Operations */
/** @typedef {import('./index.js').Scenario} Scenario */

const USER = { name: 'Tom', age: 10 };
const KEYS = Array.from({ length: 1000 }, (_, index) => `cached:${index}`);

const jobs = {
  /** @param {Operations} operations */
  async fillLRU(operations) {
    for (const key of KEYS) await operations.setLRU(key, USER);
  },

  /**
   * ns a call.
   * @param {Operations} operations
   * @param {{ call: 'getLRU' | 'setLRU', ms: number }} input
   */
  async oneByOneLRU(operations, { call, ms }) {
    let next = 0;
    const key = () => {
      next = (next + 1) % KEYS.length;
      return KEYS[next];
    };
    const step =
      call === 'getLRU' ? () => operations.getLRU(key()) : () => operations.setLRU(key(), USER);
    const took = await repeat(step, ms);
    return (took.ms * 1e6) / took.done;
  },
};

/** @type {Scenario[]} */
const scenarios = [
  {
    name: 'lru',
    title: 'the LRU cache, one after the other, awaited',
    cpus: spread(1),
    needs: ['getLRU', 'setLRU'],
    rows: [
      {
        name: 'await getLRU',
        figure: 'get',
        unit: 'time',
        targets: [{ beside: '1.1.5', speed: 60 }],
      },
      {
        name: 'await setLRU',
        figure: 'set',
        unit: 'time',
        targets: [{ beside: '1.1.5', speed: 60 }],
      },
    ],
    prepare: (stage) => stage.worker(0, 'fillLRU'),
    round: async (stage, { ms }) => ({
      get: await stage.worker(0, 'oneByOneLRU', { call: 'getLRU', ms }),
      set: await stage.worker(0, 'oneByOneLRU', { call: 'setLRU', ms }),
    }),
  },
];

module.exports = { scenarios, jobs };
