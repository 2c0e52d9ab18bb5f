'use strict';

// Runs one function in every kind of place that the package knows, within one cluster.

const assert = require('node:assert/strict');
const { run } = require('./helpers.js');

/** In the order in which the function runs in them, one after the other. */
const PLACES = ['primary', 'worker', 'thread of the worker', 'thread of the primary'];

/**
 * What a function says in each place. It finds the store as it left it in the place before.
 * @param {import('./program.js').Job} here
 * @param {import('./helpers.js').RunOptions & { threads?: boolean }} [options]
 * @returns {Promise<Array<[place: string, said: any[]]>>}
 */
async function runEverywhere(here, { threads = true, ...options } = {}) {
  const said = await run(
    {
      primary: async ({ job, workers, thread }) => {
        await job('announced');
        await workers();
        if (process.env.TEST_THREADS) await thread();
      },
      worker: async ({ job, thread }) => {
        await job('announced');
        if (process.env.TEST_THREADS) await thread();
      },
      thread: ({ job }) => job('announced'),
      announced: ({ say, job, place, memory }) => {
        // Loaded before the workers are made, which 1.1.5 needs.
        memory;
        say({ place });
        return job('here');
      },
      here,
    },
    { ...options, env: { ...options.env, TEST_THREADS: threads ? 'yes' : '' } },
  );
  const begins = said.flatMap((one, i) => (PLACES.includes(one?.place) ? [i] : []));
  return begins.map((begin, i) => [said[begin].place, said.slice(begin + 1, begins[i + 1])]);
}

/**
 * Asserts that a function says the same, and what is expected, in every place.
 * @param {import('./program.js').Job} here
 * @param {unknown[]} expected
 * @param {import('./helpers.js').RunOptions} [options]
 */
async function saysEverywhere(here, expected, options) {
  assert.deepEqual(
    await runEverywhere(here, options),
    PLACES.map((place) => [place, expected]),
  );
}

module.exports = { runEverywhere, saysEverywhere };
