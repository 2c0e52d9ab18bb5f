'use strict';

// The LRU beside lru-cache 6.0.0, operation by operation, chosen at random. TEST_SEED=n repeats a
// run.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

/** @typedef {import('./program.js').Job} Job */

const SEED = Number(process.env.TEST_SEED ?? Date.now() % 1e6);

/** @type {(name: string, program: import('./helpers.js').Program, extent?: object) => void} */
function seeded(name, program, extent) {
  test(name, async (context) => {
    context.diagnostic(`TEST_SEED=${SEED}`);
    try {
      assert.deepEqual(await run(program, { input: { seed: SEED, ...extent } }), ['the same']);
    } catch (error) {
      throw new Error(`With TEST_SEED=${SEED}: ${/** @type {Error} */ (error).message}`);
    }
  });
}

/**
 * Gives the work with ages several tries, for it is sure of its expectations only on a machine that
 * is fast enough.
 * @type {Job}
 */
const compareAges = async ({ memory, job, input, say }) => {
  const { compareAges } = require('./lru-random.js');
  const cache = /** @type {any} */ (await job('cache'));
  const ours = { cache, setLRUOptions: memory.setLRUOptions };
  for (const stale of [false, true]) {
    for (const updateAgeOnGet of [false, true]) {
      let tries = 20;
      const choice = { seed: input.seed, options: { stale, updateAgeOnGet, max: 8 } };
      while (!(await compareAges(ours, choice))) if (--tries === 0) return say('too slow');
    }
  }
  cache.end?.();
  say('the same');
};

/** @type {Job} */
const compare = async ({ memory, job, input, say }) => {
  const cache = /** @type {any} */ (await job('cache'));
  const ours = { cache, setLRUOptions: memory.setLRUOptions };
  await require('./lru-random.js').compare(ours, input);
  cache.end?.();
  say('the same');
};

/** @type {Job} */
const here = ({ memory }) => memory;

/**
 * Each operation in another place: in the primary, in workers, in threads of both.
 * @type {Job}
 */
const anywhere = ({ memory, fork, startThread, input }) => {
  const { randomFrom } = require('./lru-random.js');
  const { remote } = require('./lru-places.js');
  const others = [fork(), fork(), fork('between'), startThread()].map(remote);
  const all = /** @type {any[]} */ ([memory, ...others]);
  const random = randomFrom(input.seed + 1);
  const call =
    (/** @type {string} */ method) => (/** @type {string} */ key, /** @type {unknown} */ value) =>
      all[Math.floor(random() * all.length)][method](key, value);
  return {
    ...Object.fromEntries(['setLRU', 'getLRU', 'removeLRU'].map((name) => [name, call(name)])),
    end: () => {
      for (const { end } of others) end();
    },
  };
};

/** @type {Record<string, Job>} */
const places = {
  worker: ({ memory }) => require('./lru-places.js').serve(memory),
  thread: ({ memory }) => require('./lru-places.js').serve(memory),
  between: async ({ startThread }) => {
    const thread = startThread();
    process.on('message', (message) => thread.postMessage(message));
    thread.on('message', (message) => /** @type {any} */ (process).send(message));
    await new Promise((resolve) => thread.once('exit', resolve));
  },
};

seeded(
  'in one process the LRU does as lru-cache',
  { primary: compare, cache: here },
  { sequences: 200, operations: 150 },
);

seeded(
  'over processes and threads the LRU does as lru-cache',
  { primary: compare, cache: anywhere, ...places },
  { sequences: 60, operations: 100 },
);

seeded('in one process items age as in lru-cache', { primary: compareAges, cache: here });

seeded('over processes and threads items age as in lru-cache', {
  primary: compareAges,
  cache: anywhere,
  ...places,
});
