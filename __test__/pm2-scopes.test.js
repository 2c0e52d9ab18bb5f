'use strict';

// Who shares with whom under PM2: the workers of one app in cluster mode, those who give the same name
// whatever they are, and everybody else with nobody.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');
const { APP, Pm2, ask, askAll } = require('./pm2-daemon.js');

/** @typedef {import('./pm2-daemon.js').Process} Process */

const WATCHDOG = { timeout: 180_000 };

const pm2 = new Pm2();
after(() => pm2.end(), WATCHDOG);

/** What stands there for each process: what the last one said that it shares with. @param {Process[]} all */
const kept = (all) => askAll(all, ({ memory }) => memory.get('kept'));

/** @param {Process} one @param {string} value */
const keep = (one, value) => ask(one, ({ memory, input }) => memory.set('kept', input), value);

/** @param {Process[]} all @returns {Promise<Array<string | null>>} */
const namesOf = (all) => askAll(all, async ({ memory }) => (await memory.stats()).name);

test('two apps under one daemon do not meet', WATCHDOG, async (context) => {
  const cluster = { exec_mode: 'cluster', instances: 2 };
  await pm2.start(context, { name: 'shop', ...cluster }, { name: 'blog', ...cluster });
  const [shop, blog] = [pm2.processes('shop'), pm2.processes('blog')];
  await keep(shop[0], 'by shop');
  assert.deepEqual(await kept(blog), [undefined, undefined]);
  await keep(blog[0], 'by blog');
  assert.deepEqual(await kept(shop), ['by shop', 'by shop']);
  assert.deepEqual(await kept(blog), ['by blog', 'by blog']);
  const names = new Set(await namesOf([...shop, ...blog]));
  assert.equal(names.size, 2);
});

test('apps of one name in two PM2_HOMEs do not meet', WATCHDOG, async (context) => {
  const app = { name: 'shop', exec_mode: 'cluster', instances: 2 };
  const other = new Pm2();
  context.after(() => other.end());
  await pm2.start(context, app);
  await other.start(context, app);
  const [here, there] = [pm2.processes('shop'), other.processes('shop')];
  await keep(here[0], 'here');
  assert.deepEqual(await kept(there), [undefined, undefined]);
  await keep(there[0], 'there');
  assert.deepEqual(await kept(here), ['here', 'here']);
});

test('apps of one name in two namespaces do not meet', WATCHDOG, async (context) => {
  const twin = { name: 'twin', exec_mode: 'cluster', instances: 1 };
  await pm2.start(
    context,
    { ...twin, namespace: 'left', as: 'left' },
    { ...twin, namespace: 'right', as: 'right' },
  );
  const [[left], [right]] = [pm2.processes('left'), pm2.processes('right')];
  await keep(left, 'left');
  assert.deepEqual(await kept([right]), [undefined]);
  await keep(right, 'right');
  assert.deepEqual(await kept([left]), ['left']);
});

test(
  'apps that are given one name meet, in cluster mode and in fork mode',
  WATCHDOG,
  async (context) => {
    const env = { CLUSTER_SHARED_MEMORY_NAME: `${process.pid}.given` };
    await pm2.start(
      context,
      { name: 'web', exec_mode: 'cluster', instances: 2, env },
      { name: 'jobs', exec_mode: 'fork', env },
      { name: 'lone', exec_mode: 'fork' },
    );
    const all = [...pm2.processes('web'), ...pm2.processes('jobs')];
    for (const each of all) {
      await keep(each, `by ${each.name}`);
      assert.deepEqual(await kept(all), Array(3).fill(`by ${each.name}`));
    }
    assert.deepEqual(await kept(pm2.processes('lone')), [undefined]);
    assert.deepEqual(await namesOf(all), Array(3).fill(env.CLUSTER_SHARED_MEMORY_NAME));
  },
);

test('processes in fork mode meet if they configure a name', WATCHDOG, async (context) => {
  const named = { TEST_CONFIGURATION: JSON.stringify({ name: `${process.pid}.configured` }) };
  await pm2.start(
    context,
    { name: 'meet', exec_mode: 'fork', instances: 2, env: named },
    { name: 'pass', exec_mode: 'fork', instances: 2 },
  );
  const [meet, pass] = [pm2.processes('meet'), pm2.processes('pass')];
  await keep(meet[0], 'by one');
  assert.deepEqual(await kept(meet), ['by one', 'by one']);
  await keep(pass[0], 'by one');
  assert.deepEqual(await kept(pass), ['by one', undefined]);
  assert.deepEqual(await namesOf(pass), [null, null]);
  // One of them is always there.
  await pm2.run(['reload', 'meet']);
  assert.deepEqual(await kept(await pm2.running('meet', 2)), ['by one', 'by one']);
});

test(
  'threads of a worker share with it, whatever environment they get',
  WATCHDOG,
  async (context) => {
    await pm2.start(context, { name: 'threads', exec_mode: 'cluster', instances: 2 });
    const all = pm2.processes('threads');
    await keep(all[0], 'by a worker');
    const seen = await ask(
      all[1],
      async ({ input }, require) => {
        const { once } = require('node:events');
        const { Worker } = require('node:worker_threads');
        const source = `
        const memory = require(${JSON.stringify(input)});
        memory.get('kept').then(async (value) => {
          await memory.set('kept', 'by a thread');
          require('node:worker_threads').parentPort.postMessage(value);
        });`;
        const values = [];
        for (const env of [undefined, {}]) {
          values.push(...(await once(new Worker(source, { eval: true, env }), 'message')));
        }
        return values;
      },
      require.resolve('../index.js'),
    );
    assert.deepEqual(seen, ['by a worker', 'by a thread']);
    assert.deepEqual(await kept(all), ['by a thread', 'by a thread']);
  },
);

test(
  'a cluster primary in fork mode shares with its workers and nobody else',
  WATCHDOG,
  async (context) => {
    const env = { TEST_WORKERS: '2' };
    await pm2.start(context, { name: 'first', exec_mode: 'fork', env });
    await pm2.start(context, { name: 'second', exec_mode: 'fork', env });
    const [first, second] = [await pm2.running('first', 3), await pm2.running('second', 3)];
    const isWorker = await askAll(first, ({ cluster }) => cluster.isWorker);
    assert.deepEqual(isWorker.sort(), [false, true, true]);
    for (const each of first) {
      await keep(each, `by ${each.pid}`);
      assert.deepEqual(await kept(first), Array(3).fill(`by ${each.pid}`));
    }
    assert.deepEqual(await kept(second), [undefined, undefined, undefined]);
    assert.deepEqual(await namesOf(first), [null, null, null]);
  },
);

test(
  'a cluster that a worker in cluster mode starts is one of its own',
  WATCHDOG,
  async (context) => {
    await pm2.start(context, { name: 'outer', exec_mode: 'cluster', instances: 2 });
    const outer = pm2.processes('outer');
    await keep(outer[0], 'by outer');
    await ask(
      outer[0],
      ({ input }, require) => {
        const { fork } = require('node:child_process');
        // It inherits all that PM2 has said to its parent.
        const env = { ...process.env, TEST_AS: 'inner', TEST_WORKERS: '2' };
        fork(input, { env, stdio: 'ignore' });
      },
      APP,
    );
    const inner = await pm2.running('inner', 3);
    assert.deepEqual(await kept(inner), [undefined, undefined, undefined]);
    await keep(inner[0], 'by inner');
    assert.deepEqual(await kept(inner), Array(3).fill('by inner'));
    assert.deepEqual(await kept(outer), ['by outer', 'by outer']);
    assert.deepEqual(await namesOf(inner), [null, null, null]);
  },
);
