'use strict';

// setLRUOptions, and what each option means when several processes use the LRU.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { SERVANTS } = require('./lru-places.js');

test('max holds over all processes, and get and set anywhere are uses', async () => {
  const said = await run({
    primary: async ({ memory, job, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      const held = async () => {
        const keys = [];
        for (const key of ['a', 'b', 'c']) if (await memory.getLRU(key)) keys.push(key);
        return keys.join('');
      };
      memory.setLRUOptions({ max: 2 });
      await worker.setLRU('a', 1);
      await thread.setLRU('b', 1);
      await memory.getLRU('a');
      await worker.setLRU('c', 1);
      say(await held());
      await memory.setLRU('a', 2);
      await thread.setLRU('b', 2);
      say(await held());
      await worker.getLRU('a');
      await thread.setLRU('c', 3);
      say(await held());
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  assert.deepEqual(said, ['ac', 'ab', 'ac']);
});

test('setLRUOptions makes a new, empty cache for all, without telling the old dispose', async () => {
  const said = await run({
    primary: async ({ memory, job, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      const gone = /** @type {unknown[]} */ ([]);
      memory.setLRUOptions({ max: 3, dispose: (key) => gone.push(`old ${key}`) });
      await worker.setLRU('a', 1);
      await memory.setLRU('b', 1);
      say(memory.setLRUOptions({ max: 1, dispose: (key) => gone.push(`new ${key}`) }));
      for (const place of [worker, thread, memory]) say(await place.getLRU('a'));
      await worker.setLRU('a', 2);
      await thread.setLRU('b', 2);
      say([await worker.getLRU('a'), await worker.getLRU('b')]);
      memory.setLRUOptions();
      say(await worker.getLRU('b'));
      for (let i = 0; i < 20; i++) await worker.setLRU(i, i);
      say(await thread.getLRU(0));
      say(gone);
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  const nothing = Array(4).fill(undefined);
  assert.deepEqual(said, [...nothing, [undefined, 2], undefined, 0, ['new a']]);
});

test('a wrong option throws as in lru-cache, and the old cache stays', async () => {
  const said = await run({
    primary: async ({ memory, say }) => {
      const { setLRUOptions } = /** @type {any} */ (memory);
      setLRUOptions({ max: 1 });
      await memory.setLRU('a', 1);
      const LRU = require('lru-cache');
      const thrown = (/** @type {() => void} */ call) => {
        try {
          call();
          return 'nothing';
        } catch (error) {
          const { name, message } = /** @type {Error} */ (error);
          return `${name}: ${message}`;
        }
      };
      const wrong = [
        ...[-1, -0.5, '5', true, {}, 5n, Number.NEGATIVE_INFINITY].map((max) => ({ max })),
        ...['5', true, {}, () => {}].map((maxAge) => ({ maxAge })),
      ];
      say(wrong.map((options) => thrown(() => setLRUOptions(options))));
      say(wrong.map((options) => thrown(() => new LRU(options))));
      await memory.setLRU('b', 2);
      say([await memory.getLRU('a'), await memory.getLRU('b')]);
    },
  });
  const [ours, theirs, held] = said;
  assert.deepEqual(ours, [
    ...Array(7).fill('TypeError: max must be a non-negative number'),
    ...Array(4).fill('TypeError: maxAge must be a number'),
  ]);
  assert.deepEqual(ours, theirs);
  assert.deepEqual(held, [undefined, 2]);
});

test('what is no option is ignored, and so is what is no object', async () => {
  const said = await run({
    primary: async ({ memory, say }) => {
      const { setLRUOptions } = /** @type {any} */ (memory);
      for (const options of [undefined, null, 5, 'text', [], { unheardOf: 1 }]) {
        setLRUOptions({ max: 1 });
        say(setLRUOptions(options));
        for (const key of ['a', 'b']) await memory.setLRU(key, key);
        say(await memory.getLRU('a'));
      }
    },
  });
  assert.deepEqual(said, Array(6).fill([undefined, 'a']).flat());
});

test('in a worker and its threads setLRUOptions is an error that says where it belongs', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      memory.setLRUOptions({ max: 1 });
      await memory.setLRU('a', 1);
      await workers();
      say(await memory.getLRU('a'));
    },
    worker: async ({ job, thread }) => {
      await job('here');
      await thread();
    },
    thread: ({ job }) => job('here'),
    here: async ({ memory, say, failure }) => {
      const { code, message } = await failure(() => memory.setLRUOptions({ max: 5 }));
      say([code, /primary/.test(message)]);
    },
  });
  assert.deepEqual(said, [['ERR_NOT_PRIMARY', true], ['ERR_NOT_PRIMARY', true], 1]);
});

test('after maxAge an item is gone, in every place, and not before', async () => {
  const said = await run({
    primary: async ({ memory, job, sleep, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      memory.setLRUOptions({ maxAge: 1000 });
      for (const key of ['a', 'b', 'c']) {
        // Until the clock has not run away between set and get.
        for (let took = 1000; took > 500; ) {
          const began = performance.now();
          await worker.setLRU(key, key);
          const seen = await thread.getLRU(key);
          took = performance.now() - began;
          if (took <= 500) say(seen);
        }
      }
      await sleep(1100);
      say([await worker.getLRU('a'), await thread.getLRU('b'), await memory.getLRU('c')]);
      memory.setLRUOptions({ maxAge: 0 });
      await worker.setLRU('a', 'for ever');
      await sleep(50);
      say(await thread.getLRU('a'));
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  assert.deepEqual(said, ['a', 'b', 'c', [undefined, undefined, undefined], 'for ever']);
});

test('stale: an expired item is given once, to whoever comes first', async () => {
  const said = await run({
    primary: async ({ memory, job, sleep, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      memory.setLRUOptions({ maxAge: 20, stale: true });
      await worker.setLRU('a', 1);
      await memory.setLRU('b', 2);
      await sleep(50);
      say([await thread.getLRU('a'), await memory.getLRU('a'), await worker.getLRU('a')]);
      say([await worker.getLRU('b'), await thread.getLRU('b')]);
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  assert.deepEqual(said, [
    [1, undefined, undefined],
    [2, undefined],
  ]);
});

test('updateAgeOnGet: an item that is read in time stays', async () => {
  const said = await run({
    primary: async ({ memory, job, sleep, say }) => {
      const [worker, thread] = /** @type {any[]} */ (await job('servants'));
      const places = [worker, thread, memory];
      const outcome = async (/** @type {boolean} */ updateAgeOnGet) => {
        memory.setLRUOptions({ maxAge: 500, updateAgeOnGet });
        let last = performance.now();
        await memory.setLRU('a', 'held');
        for (let i = 0; i < 6; i++) {
          await sleep(100);
          await places[i % 3].getLRU('a');
          if (performance.now() - last > 400) return 'too slow';
          last = performance.now();
        }
        return worker.getLRU('a');
      };
      const certain = async (/** @type {boolean} */ updateAgeOnGet) => {
        for (;;) {
          const value = await outcome(updateAgeOnGet);
          if (value !== 'too slow') return value;
        }
      };
      say([await certain(true), await certain(false)]);
      for (const { end } of [worker, thread]) end();
    },
    ...SERVANTS,
  });
  assert.deepEqual(said, [['held', undefined]]);
});

test('that expired items are swept changes nothing of what is evicted', async () => {
  const said = await run({
    primary: async ({ memory, sleep, say }) => {
      const outcome = async () => {
        memory.setLRUOptions({ max: 2, maxAge: 3000 });
        const began = performance.now();
        await memory.setLRU('a', 1);
        await sleep(2000);
        await memory.setLRU('b', 2);
        // Now a is the one to stay, and the one to expire.
        await memory.getLRU('a');
        const isLate = performance.now() > began + 2900;
        await sleep(2400);
        await memory.setLRU('c', 3);
        const held = [await memory.getLRU('a'), await memory.getLRU('b'), await memory.getLRU('c')];
        return isLate || performance.now() > began + 4900 ? 'too slow' : held;
      };
      /** @type {unknown} */
      let held = 'too slow';
      while (held === 'too slow') held = await outcome();
      say(held);
    },
  });
  assert.deepEqual(said, [[undefined, undefined, 3]]);
});
