'use strict';

// What the package promises, as small programs that any runtime with node:cluster can run: they need
// no test runner. `behaviours.js <name>` runs one; it fails by an exit code, and ends by itself.
// scripts/matrix.js runs them where node:test is not at home.

const assert = require('node:assert/strict');
const cluster = require('node:cluster');
const { once } = require('node:events');
const { Worker, isMainThread, workerData } = require('node:worker_threads');

/** @typedef {typeof import('../../index.js')} Memory */
/** @typedef {{ primary: () => unknown, worker?: () => unknown, thread?: () => unknown }} Program */

/** The package, loaded where it is first asked for. @returns {Memory} */
const load = () => require('../../index.js');

/** @param {number} ms */
const sleep = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

/** @param {() => unknown} condition */
async function until(condition) {
  while (!(await condition())) await sleep(2);
}

function fork(env = {}) {
  return cluster.fork({ ...env, BEHAVIOUR: name });
}

/** @param {import('node:cluster').Worker} worker */
async function ended(worker) {
  const [code, signal] = await once(worker, 'exit');
  assert.equal(code, 0, `a worker ended with ${code ?? signal}`);
}

/** Forks workers and waits until they have ended well. */
async function workers(count = 1) {
  await Promise.all(Array.from({ length: count }, () => ended(fork())));
}

function startThread() {
  return new Worker(__filename, { workerData: { name } });
}

async function thread() {
  const [code] = await once(startThread(), 'exit');
  assert.equal(code, 0, `a thread ended with ${code}`);
}

/** @type {(call: () => unknown, code: string) => Promise<void>} */
async function fails(call, code) {
  await assert.rejects(async () => call(), { code });
}

/** @type {Record<string, Record<string, Program>>} */
const GROUPS = {
  package: {
    'require and import give the same object, and the methods by name': {
      async primary() {
        const { default: imported, set, get } = await import('../../index.mjs');
        assert.equal(imported, load());
        await set('a', 1);
        assert.equal(await get('a'), 1);
      },
    },
    'wrong calls are errors with a code': {
      async primary() {
        const memory = /** @type {any} */ (load());
        await fails(() => memory.get({}), 'ERR_INVALID_ARG_TYPE');
        await fails(() => memory.get('k'.repeat(2001)), 'ERR_KEY_TOO_LONG');
        await fails(() => memory.sync.incr('a', Number.NaN), 'ERR_OUT_OF_RANGE');
        await fails(() => memory.configure({ max: 1 }), 'ERR_INVALID_ARG_VALUE');
        assert.throws(() => memory.sync.set('a', Symbol('a')), TypeError);
        assert.throws(() => memory.sync.get('k'.repeat(2001)), RangeError);
        await memory.set('text', 'a');
        await fails(() => memory.incr('text'), 'ERR_NOT_A_NUMBER');
      },
    },
  },
  values: {
    'scalars, strings and bytes come back as they were': {
      primary() {
        const { get, set, has, remove } = load().sync;
        const values = [
          undefined,
          null,
          true,
          false,
          0,
          -0,
          1.5,
          Number.NaN,
          Infinity,
          '',
          'a',
          '\u0100',
        ];
        for (const value of [...values, Buffer.from('bytes'), new Uint8Array([1, 2])]) {
          set('a', value);
          assert.deepEqual(get('a'), value);
        }
        set('a', 'x'.repeat(2 ** 20));
        assert.equal(get('a').length, 2 ** 20);
        remove('a');
        assert.equal(has('a'), false);
      },
    },
    'objects come back as JSON says, or as structured clones': {
      async primary() {
        const memory = load();
        await memory.set('a', { list: [1, { b: '\u0100' }], when: new Date(0) });
        assert.deepEqual(await memory.get('a'), {
          list: [1, { b: '\u0100' }],
          when: '1970-01-01T00:00:00.000Z',
        });
        memory.configure({ mode: 'advanced' });
        await memory.set('a', new Map([[1, new Date(0)]]));
        assert.deepEqual(await memory.get('a'), new Map([[1, new Date(0)]]));
      },
    },
    'workers read what the primary set, and the other way round': {
      async primary() {
        await load().set('from primary', { a: 1 });
        await workers();
        assert.deepEqual(await load().get('from worker'), new Map([[1, { b: 2 }]]));
      },
      async worker() {
        load().configure({ mode: 'advanced' });
        assert.deepEqual(load().sync.get('from primary'), { a: 1 });
        await load().set('from worker', new Map([[1, { b: 2 }]]));
      },
    },
    'four workers count together, and lose nothing': {
      async primary() {
        load();
        await workers(4);
        assert.equal(load().sync.get('n'), 40_000);
      },
      worker() {
        for (let i = 0; i < 10_000; i += 1) load().sync.incr('n');
      },
    },
  },
  locks: {
    'mutex keeps four workers apart': {
      async primary() {
        load();
        await workers(4);
        assert.equal(await load().get('n'), 400);
      },
      async worker() {
        const { get, set, mutex } = load();
        for (let i = 0; i < 100; i += 1) {
          await mutex('lock', async () => set('n', ((await get('n')) ?? 0) + 1));
        }
      },
    },
    'a lock is waited for, and let go of by its id in another process': {
      async primary() {
        const id = await load().getLock('lock');
        await load().set('id', id);
        await workers();
      },
      async worker() {
        const { get, getLock, releaseLock } = load();
        const waits = getLock('lock');
        assert.match(await releaseLock('lock', 'wrong'), /^Failed/);
        assert.equal(await releaseLock('lock', await get('id')), 'OK');
        assert.equal(await releaseLock('lock', await waits), 'OK');
      },
    },
    'the lock of a worker that is killed goes to who waits': {
      async primary() {
        load();
        const worker = fork();
        await until(() => load().has('locked'));
        const waits = load().getLock('lock');
        process.kill(Number(worker.process.pid), 'SIGKILL');
        const id = await waits;
        assert.equal(await load().releaseLock('lock', id), 'OK');
      },
      async worker() {
        await load().getLock('lock');
        await load().set('locked', true);
        await sleep(60_000);
      },
    },
  },
  listeners: {
    'the primary hears what workers set and remove, in order': {
      async primary() {
        const heard = /** @type {unknown[]} */ ([]);
        const end = load().listen('a', (value) => heard.push(value));
        await workers();
        await until(() => heard.length === 101);
        assert.deepEqual(heard, [...Array(100).keys(), undefined]);
        end();
      },
      async worker() {
        for (let i = 0; i < 100; i += 1) await load().set('a', i);
        await load().remove('a');
      },
    },
    'a worker that sleeps in its event loop hears the primary': {
      async primary() {
        load();
        const worker = fork();
        const end = ended(worker);
        await until(() => load().has('ready'));
        await sleep(100);
        await load().set('a', { b: 1 });
        await end;
      },
      async worker() {
        const heard = new Promise((resolve) => load().listen('a', resolve));
        await load().set('ready', true);
        assert.deepEqual(await heard, { b: 1 });
      },
    },
  },
  LRU: {
    'the cache is one for all, in one order of uses': {
      async primary() {
        load().setLRUOptions({ max: 2 });
        await load().setLRU('a', 1);
        await load().setLRU('b', { c: 2 });
        await workers();
        const left = ['a', 'b', 'c'].map((key) => load().getLRU(key));
        assert.deepEqual(await Promise.all(left), [1, undefined, 3]);
      },
      async worker() {
        assert.equal(await load().getLRU('a'), 1);
        await load().setLRU('c', 3);
      },
    },
    'length and dispose run in the primary for what workers set': {
      async primary() {
        const disposed = /** @type {unknown[]} */ ([]);
        const dispose = (/** @type {string} */ key) => disposed.push(key);
        load().setLRUOptions({ max: 10, length: (value) => value.length, dispose });
        await workers();
        await until(() => disposed.length === 1);
        assert.deepEqual(disposed, ['a']);
        assert.equal(await load().getLRU('b'), 'x'.repeat(6));
      },
      async worker() {
        await load().setLRU('a', 'x'.repeat(6));
        await load().setLRU('b', 'x'.repeat(6));
      },
    },
  },
  life: {
    'idle processes with listeners, locks and a cache end by themselves': {
      async primary() {
        load().listen('a', () => {});
        await load().getLock('kept');
        await load().setLRU('a', 1);
        await workers();
      },
      async worker() {
        load().listen('a', () => {});
        await load().getLock('kept too');
        await load().setLRU('a', 1);
      },
    },
    'process.exit ends a worker that waits for a lock': {
      async primary() {
        const id = await load().getLock('lock');
        await workers();
        assert.equal(await load().releaseLock('lock', id), 'OK');
      },
      async worker() {
        load().getLock('lock');
        await sleep(20);
        process.exit(0);
      },
    },
    'a worker waits for a primary that loads the package late': {
      async primary() {
        const worker = fork();
        const end = ended(worker);
        await once(worker, 'online');
        await sleep(300);
        assert.equal(typeof load().get, 'function');
        await end;
        assert.equal(await load().get('a'), 1);
      },
      async worker() {
        await load().set('a', 1);
      },
    },
    'without the package in the primary, calls fail with ERR_NO_PRIMARY': {
      primary: () => workers(),
      async worker() {
        await fails(() => load().sync.get('a'), 'ERR_NO_PRIMARY');
        await fails(() => load().get('a'), 'ERR_NO_PRIMARY');
      },
    },
    'after close, calls fail with ERR_CLOSED, and the values stay for others': {
      async primary() {
        load();
        await workers();
        assert.equal(await load().get('a'), 1);
      },
      async worker() {
        const { set, get, close } = load();
        await set('a', 1);
        await close();
        await fails(() => get('a'), 'ERR_CLOSED');
      },
    },
  },
  threads: {
    'threads share the store of their process': {
      async primary() {
        await load().set('from main', 1);
        await Promise.all([thread(), thread()]);
        assert.equal(await load().get('n'), 2000);
      },
      async thread() {
        assert.equal(load().sync.get('from main'), 1);
        for (let i = 0; i < 1000; i += 1) load().sync.incr('n');
      },
    },
    'threads of a worker share the store of the cluster': {
      async primary() {
        await load().set('from primary', 1);
        await workers();
        assert.equal(await load().get('from thread'), 2);
      },
      worker: () => thread(),
      async thread() {
        assert.equal(await load().get('from primary'), 1);
        await load().mutex('lock', () => load().set('from thread', 2));
      },
    },
    'a thread that is terminated lets go of its lock': {
      async primary() {
        load();
        const worker = startThread();
        await until(() => load().has('locked'));
        const waits = load().getLock('lock');
        await worker.terminate();
        assert.equal(await load().releaseLock('lock', await waits), 'OK');
      },
      async thread() {
        await load().getLock('lock');
        await load().set('locked', true);
        await sleep(60_000);
      },
    },
  },
};

const name = String(isMainThread ? (process.env.BEHAVIOUR ?? process.argv[2]) : workerData?.name);

async function main() {
  const program = Object.values(GROUPS).find((group) => group[name])?.[name];
  if (program === undefined) throw new Error(`There is no behaviour "${name}".`);
  if (!isMainThread) await program.thread?.();
  else if (cluster.isPrimary) await program.primary();
  else {
    await program.worker?.();
    cluster.worker?.disconnect();
  }
}

if (!isMainThread || cluster.isWorker || require.main === module) {
  main().catch((error) => {
    console.error(error);
    process.exit(1);
  });
}

module.exports = { GROUPS };
