'use strict';

// Versions: nobody's change gets lost among many who change the same key.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');

const LIMIT = { timeout: 60_000 };
const TOTAL = 2000;

test(
  'a version is of one change: another value, or the same one set again, has another',
  LIMIT,
  async () => {
    const seen = new Set();
    const look = async () => {
      const { version } = await memory.getWithVersion('v');
      assert.equal(seen.has(version), false);
      assert.ok(version > Math.max(0, ...seen));
      seen.add(version);
    };
    for (const value of [1, 1, 'text', 'text', { a: 1 }, undefined]) {
      await memory.set('v', value);
      await look();
      await memory.remove('v');
      assert.equal((await memory.getWithVersion('v')).version, 0);
      await memory.set('v', value);
      await look();
    }
    await memory.set('v', 1);
    await look();
    await memory.incr('v', 0);
    await look();
    await memory.getAndSet('v', 1);
    await look();
  },
);

test('reading and the end of an entry leave its version', LIMIT, async () => {
  await memory.set('v', { a: 1 });
  const { version } = await memory.getWithVersion('v');
  await memory.get('v');
  await memory.touch('v', 60_000);
  await memory.add('v', 2);
  await memory.compareAndSet('v', version - 1, 2);
  assert.deepEqual(await memory.getWithVersion('v'), { value: { a: 1 }, version });
  assert.equal(await memory.compareAndSet('v', version, 3), true);
});

test('a version of a key that was removed and set again is no longer right', LIMIT, async () => {
  await memory.set('v', 1);
  const { version } = await memory.getWithVersion('v');
  await memory.remove('v');
  assert.equal(await memory.compareAndSet('v', version, 2), false);
  await memory.set('v', 1);
  assert.equal(await memory.compareAndSet('v', version, 2), false);
  assert.equal(await memory.compareAndSet('v', 0, 2), false);
  assert.equal(await memory.get('v'), 1);
});

test(
  'update begins anew if somebody was faster, and leaves the key alone if it throws',
  LIMIT,
  async () => {
    await memory.set('v', 1);
    let calls = 0;
    const sum = await memory.update('v', async (value) => {
      calls += 1;
      if (calls === 1) await memory.set('v', 10);
      return value + 1;
    });
    assert.deepEqual([sum, calls, await memory.get('v')], [11, 2, 11]);
    const error = new Error('as planned');
    const fail = () => {
      throw error;
    };
    await assert.rejects(memory.update('v', fail), error);
    await assert.rejects(
      memory.update('v', async () => fail()),
      error,
    );
    assert.throws(() => memory.sync.update('v', fail), error);
    assert.equal(await memory.get('v'), 11);
  },
);

test('update of a key that is removed meanwhile begins anew', LIMIT, () => {
  memory.sync.set('v', 1);
  /** @type {unknown[]} */
  const seen = [];
  memory.sync.update('v', (value) => {
    seen.push(value);
    if (seen.length === 1) memory.sync.remove('v');
    if (seen.length === 2) memory.sync.set('v', 3);
    return 'last';
  });
  assert.deepEqual([seen, memory.sync.get('v')], [[1, undefined, 3], 'last']);
});

/** Counts in a way, with four workers and a thread of each. @param {import('./program.js').Job} count */
async function counted(count) {
  const said = await run(
    {
      primary: async ({ memory, workers, say }) => {
        await workers(4);
        say(await memory.get('count'));
      },
      worker: async ({ job, thread }) => {
        await Promise.all([job('count'), thread()]);
      },
      thread: ({ job }) => job('count'),
      count,
    },
    { input: TOTAL / 8 },
  );
  const [total] = said;
  assert.deepEqual(typeof total === 'object' ? total : { n: total }, { n: TOTAL });
}

test('workers that compare and set count exactly', LIMIT, () =>
  counted(async ({ memory, input }) => {
    for (let i = 0; i < input; ) {
      const { value = { n: 0 }, version } = await memory.getWithVersion('count');
      if (await memory.compareAndSet('count', version, { n: value.n + 1 })) i += 1;
    }
  }),
);

test('workers that compare and set at once count exactly', LIMIT, () =>
  counted(({ memory: { sync }, input }) => {
    for (let i = 0; i < input; ) {
      const { value = 0, version } = sync.getWithVersion('count');
      if (sync.compareAndSet('count', version, value + 1)) i += 1;
    }
  }),
);

test('workers that update count exactly', LIMIT, () =>
  counted(async ({ memory, input }) => {
    for (let i = 0; i < input; i += 1) {
      await memory.update('count', (count) => ({ n: (count?.n ?? 0) + 1 }));
    }
  }),
);

test('workers that update at once count exactly', LIMIT, () =>
  counted(({ memory: { sync }, input }) => {
    for (let i = 0; i < input; i += 1) sync.update('count', (n = 0) => n + 1);
  }),
);

test('workers that update with an async function count exactly', LIMIT, () =>
  counted(async ({ memory, input }) => {
    const one = async (n = 0) => {
      if (n % 16 === 0) await new Promise((resolve) => setImmediate(resolve));
      return n + 1;
    };
    await Promise.all(
      [0, 1].map(async (half) => {
        for (let i = half; i < input; i += 2) await memory.update('count', one);
      }),
    );
  }),
);
