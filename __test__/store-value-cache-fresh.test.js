'use strict';

// What is read is never older for being kept decoded, whoever has changed it and in whatever way.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');

const LIMIT = { timeout: 60_000 };

test('every kind of change is seen at once in the same thread', LIMIT, async () => {
  const { sync } = memory;
  /** Reads until the value is kept. @param {unknown} value */
  const keep = (value) => {
    sync.set('key', value);
    for (let i = 0; i < 4; i += 1) assert.deepEqual(sync.get('key'), value);
  };
  /** @type {Array<[() => unknown, unknown]>} */
  const changes = [
    [() => sync.set('key', { a: 2 }), { a: 2 }],
    [() => sync.set('key', { a: 1 }), { a: 1 }],
    [() => sync.set('key', 'text'), 'text'],
    [() => sync.set('key', 5), 5],
    [() => sync.set('key', undefined), undefined],
    [() => sync.set('key', Buffer.from('b')), Buffer.from('b')],
    [() => sync.remove('key'), undefined],
    [() => sync.removeMany(['key']), undefined],
    [() => sync.clear(), undefined],
    [() => sync.getAndRemove('key'), undefined],
    [() => sync.getAndSet('key', [1]), [1]],
    [() => sync.replace('key', [2]), [2]],
    [() => sync.update('key', () => [3]), [3]],
    [() => sync.setMany({ key: [4] }), [4]],
    [() => sync.remove('key') && sync.add('key', [5]), [5]],
    [() => sync.remove('key') && sync.incr('key', 6), 6],
    [() => sync.touch('key', 60_000), { a: 1 }],
  ];
  for (const [change, expected] of changes) {
    keep({ a: 1 });
    change();
    for (let i = 0; i < 4; i += 1) assert.deepEqual(sync.get('key'), expected, String(change));
    keep('long '.repeat(100));
    change();
    if (expected === 6 || !/touch/.test(String(change)))
      assert.deepEqual(sync.get('key'), expected);
  }
});

test('the end of an entry is seen though its value was kept', LIMIT, () => {
  const { sync } = memory;
  for (const value of [{ a: 1 }, 'long '.repeat(100)]) {
    sync.set('key', value);
    for (let i = 0; i < 4; i += 1) sync.get('key');
    sync.touch('key', 30);
    const start = performance.now();
    while (performance.now() - start < 30) sync.get('key');
    assert.equal(sync.get('key'), undefined);
    sync.set('key', value);
    assert.deepEqual(sync.get('key'), value);
  }
});

/**
 * A writer changes a key in a way as fast as it can, and a reader in each other place looks at it.
 * @param {import('./program.js').Job} write sets { n, n2: n } with rising n, until stopped
 */
async function neverGoesBack(write) {
  const said = await run({
    primary: async ({ memory, fork, ended, job, until }) => {
      await memory.set('key', { n: 0, n2: 0, text: 'x'.repeat(100) });
      const writer = ended(fork('writer'));
      await until(() => memory.has('begun'));
      const readers = [ended(fork('reader')), ended(fork('reader'))];
      await job('read');
      await Promise.all(readers);
      await memory.set('stop', true);
      await writer;
    },
    writer: async ({ memory, job, thread }) => {
      await memory.set('begun', true);
      await Promise.all([job('write'), thread()]);
    },
    thread: ({ job }) => job('read'),
    reader: ({ job }) => job('read'),
    read: async ({ memory, say }) => {
      const { get } = memory.sync;
      let [last, reads, changes] = [0, 0, 0];
      const start = performance.now();
      while (performance.now() - start < 1500 || changes < 2) {
        reads += 1;
        if (reads % 5000 === 0) await new Promise((resolve) => setImmediate(resolve));
        const value = get('key');
        if (value === undefined) continue;
        if (typeof value === 'object' && value.n !== value.n2) say(['torn', value]);
        const n = typeof value === 'object' ? value.n : value;
        if (n < last) say(['went back', last, n]);
        if (n > last) changes += 1;
        last = n;
        // What it does with it is its own affair.
        if (typeof value === 'object') value.n = value.n2 = -1;
      }
    },
    write,
  });
  assert.deepEqual(said, []);
}

test('nobody reads something older, or a mixture, while another one sets', LIMIT, () =>
  neverGoesBack(async ({ memory: { sync } }) => {
    for (let n = 1; !sync.has('stop'); n += 1) {
      sync.set('key', { n, n2: n, text: 'x'.repeat(n % 100) });
      if (n % 5000 === 0) await new Promise((resolve) => setImmediate(resolve));
    }
  }),
);

test('nobody reads something older while another one sets now and then', LIMIT, () =>
  neverGoesBack(async ({ memory: { sync }, sleep }) => {
    for (let n = 1; !sync.has('stop'); n += 1) {
      sync.set('key', { n, n2: n });
      if (n % 3 === 0) await sleep(1);
    }
  }),
);

test('nobody reads something older while another one removes, counts and lets it end', LIMIT, () =>
  neverGoesBack(async ({ memory: { sync }, sleep }) => {
    for (let n = 1; !sync.has('stop'); n += 1) {
      sync.set('key', { n, n2: n }, n % 7 === 0 ? { ttl: 1 } : undefined);
      if (n % 3 === 0) sync.remove('key');
      if (n % 11 === 0) sync.getAndSet('key', { n, n2: n });
      if (n % 13 === 0) sync.removeMany(['key']);
      if (n % 50 === 0) sync.set('key', n);
      if (n % 100 === 0) await sleep(1);
    }
  }),
);

test('a change in one thread is seen by the call that follows it in another', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, startThread, say }) => {
      await memory.set('turn', 0);
      const thread = startThread();
      await workers();
      say(await memory.get('key'));
      await thread.terminate();
    },
    worker: async ({ memory: { sync } }) => {
      // The thread answers each change by a look at it.
      for (let n = 1; n <= 3000; n += 1) {
        sync.set('key', { n });
        sync.set('turn', n);
        while (sync.get('seen') !== n);
      }
    },
    thread: async ({ memory: { sync }, say }) => {
      for (let n = 1; n <= 3000; n += 1) {
        while (sync.get('turn') !== n);
        const { n: seen } = sync.get('key');
        if (seen !== n || sync.get('key').n !== n) say(['stale', n, seen]);
        sync.set('seen', n);
      }
    },
  });
  assert.deepEqual(said, [{ n: 3000 }]);
});
