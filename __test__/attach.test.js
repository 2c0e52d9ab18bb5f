'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run, runNode } = require('./helpers.js');

test('a process without workers has a store of its own', async () => {
  const job = /** @type {import('./program.js').Job} */ (
    async ({ memory, say }) => {
      say([await memory.get('a'), await memory.set('a', 1), await memory.get('a')]);
    }
  );
  const [one, other] = await Promise.all([run({ primary: job }), run({ primary: job })]);
  assert.deepEqual(
    [...one, ...other],
    [
      [undefined, 'OK', 1],
      [undefined, 'OK', 1],
    ],
  );
});

test('a process that used the package ends by itself', async () => {
  const { output } = await runNode([
    '-e',
    `const memory = require('./index.js');
     memory.set('a', 1).then(() => console.log(memory.sync.get('a')));`,
  ]);
  assert.equal(output, '1\n');
});

test('a process that only loaded the package ends by itself', async () => {
  await runNode(['-e', "require('./index.js')"]);
});

test('what one worker sets, another worker and the primary get', async () => {
  const said = await run({
    primary: async ({ memory, cluster, ended, say }) => {
      await ended(cluster.fork({ ROLE: 'writer' }));
      await ended(cluster.fork({ ROLE: 'reader' }));
      say(await memory.get('from'));
    },
    worker: async ({ memory, say }) => {
      if (process.env.ROLE === 'writer') await memory.set('from', { pid: 'writer' });
      else say(memory.sync.get('from'));
    },
  });
  assert.deepEqual(said, [{ pid: 'writer' }, { pid: 'writer' }]);
});

test('a worker waits for a primary that loads the package late, and keeps the order of calls', async () => {
  const said = await run({
    primary: async (t) => {
      const worker = t.cluster.fork();
      await new Promise((resolve) => worker.once('message', resolve));
      await t.sleep(300);
      t.say('primary loads');
      t.say(await t.memory.has('never set'));
      await t.ended(worker);
    },
    worker: async ({ memory, say }) => {
      const value = { list: [1] };
      const bytes = Buffer.from([1]);
      const calls = [
        memory.set('value', value),
        memory.set('bytes', bytes),
        memory.get('value'),
        memory.incr('n'),
        memory.set('value', 'later'),
        memory.get('value'),
        memory.get('bytes'),
        memory.incr('n', 2),
        memory.remove('value'),
        memory.has('value'),
      ];
      value.list.push(2);
      bytes[0] = 2;
      /** @type {any} */ (process).send('asked');
      say(await Promise.all(calls));
    },
  });
  assert.equal(said[0], 'primary loads');
  const results = said.find(Array.isArray);
  const bytes = Buffer.from([1]);
  assert.deepEqual(results, ['OK', 'OK', { list: [1] }, 1, 'OK', 'later', bytes, 3, 'OK', false]);
});

test('what waits happens before a synchronous call that attaches', async () => {
  const said = await run({
    primary: async (t) => {
      const worker = t.cluster.fork();
      await new Promise((resolve) => worker.once('message', resolve));
      await t.sleep(50);
      t.memory;
      await t.ended(worker);
    },
    worker: async ({ memory, say, failure }) => {
      const waiting = memory.set('a', 'waited');
      say((await failure(() => memory.sync.get('a'))).code);
      /** @type {any} */ (process).send('asked');
      for (;;) {
        try {
          say(memory.sync.get('a'));
          break;
        } catch {}
      }
      await waiting;
    },
  });
  assert.deepEqual(said, ['ERR_NO_PRIMARY', 'waited']);
});

test('without the package in the primary, promises reject after 5 seconds', async () => {
  const [waitedMs, error, later] = await run({
    primary: async ({ workers }) => {
      await workers();
    },
    worker: async ({ memory, say, sleep, failure }) => {
      const start = performance.now();
      const first = failure(() => memory.get('a'));
      await sleep(200);
      const second = failure(() => memory.get('a')).then(() => performance.now() - start);
      const error = await first;
      say(performance.now() - start);
      say(error);
      say(await second);
    },
  });
  assert.ok(waitedMs >= 5000, `${waitedMs} ms`);
  assert.equal(error.name, 'SharedMemoryError');
  assert.equal(error.code, 'ERR_NO_PRIMARY');
  assert.match(error.message, /require\('cluster-shared-memory'\)/);
  assert.ok(later >= 5200, `${later} ms`);
});

test('without the package in the primary, synchronous calls throw at once', async () => {
  const said = await run({
    primary: async ({ workers }) => {
      await workers();
    },
    worker: async ({ memory, say, failure }) => {
      const { get, set, remove, has, incr } = memory.sync;
      for (const call of [get, remove, has, incr]) say((await failure(() => call('a'))).code);
      say((await failure(() => set('a', 1))).code);
    },
  });
  assert.deepEqual(said, Array(5).fill('ERR_NO_PRIMARY'));
});

test('a wrong argument is an error at once, attached or not', async () => {
  const said = await run({
    primary: async ({ workers }) => {
      await workers();
    },
    worker: async ({ memory, say, failure }) => {
      const { get, set, incr } = /** @type {any} */ (memory);
      say((await failure(() => get())).code);
      say((await failure(() => set('a', () => {}))).code);
      say((await failure(() => incr('a', '1'))).code);
    },
  });
  assert.deepEqual(said, Array(3).fill('ERR_INVALID_ARG_TYPE'));
});

test('a blocked primary does not stop its workers', async () => {
  const said = await run({
    primary: async ({ memory, cluster, ended, say }) => {
      memory.sync.set('blocked', true);
      const worker = cluster.fork();
      while (memory.sync.get('blocked'));
      say(memory.sync.get('from worker'));
      await ended(worker);
    },
    worker: async ({ memory }) => {
      await memory.set('from worker', 1);
      await memory.set('blocked', false);
    },
  });
  assert.deepEqual(said, [1]);
});

test('a worker that is killed disturbs nobody', async () => {
  const said = await run({
    primary: async ({ memory, cluster, ended, sleep, say }) => {
      const others = [cluster.fork(), cluster.fork()].map(ended);
      for (let i = 1; i <= 3; i++) {
        const victim = cluster.fork({ VICTIM: 'yes' });
        while ((await memory.get('victims')) !== i) await sleep(5);
        await sleep(20);
        const dead = new Promise((resolve) => victim.once('exit', (_, signal) => resolve(signal)));
        process.kill(Number(victim.process.pid), 'SIGKILL');
        say(await dead);
      }
      await memory.set('stop', true);
      await Promise.all(others);
      say((await memory.get('done')) ?? 0);
      say(await memory.get('text'));
    },
    worker: async ({ memory }) => {
      if (process.env.VICTIM) await memory.incr('victims');
      for (let i = 0; !memory.sync.has('stop'); i++) {
        memory.sync.set('text', 'x'.repeat(i % 500));
        memory.sync.incr('n');
        memory.sync.get('text');
        memory.sync.set('text', 'settled');
      }
      await memory.incr('done');
    },
  });
  assert.deepEqual(said, ['SIGKILL', 'SIGKILL', 'SIGKILL', 2, 'settled']);
});
