'use strict';

// What the package needs of the life of a process, and leaves alone: its event loop, its IPC
// channel, its end.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

test('a primary that is blocked stalls no worker, nor what workers have with each other', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, say }) => {
      const id = await memory.getLock('of the primary');
      const workers = [fork(), fork()].map(ended);
      await until(() => memory.sync.get('ready') === 2);
      memory.sync.set('blocked', true);
      // It ends only because the workers get on meanwhile.
      while (memory.sync.get('finished') !== 2);
      say([memory.sync.get('count'), memory.sync.get('heard')]);
      await memory.releaseLock('of the primary', id);
      await Promise.all(workers);
    },
    worker: async ({ memory, cluster, until, say }) => {
      let heard = 0;
      memory.listen('count', () => heard++);
      memory.sync.incr('ready');
      await until(() => memory.sync.has('blocked'));
      for (let i = 0; i < 100; i++) {
        await memory.mutex('lock', async () => {
          await memory.set('count', ((await memory.get('count')) ?? 0) + 1);
        });
      }
      await memory.setLRU(`of ${cluster.worker?.id}`, 'cached');
      await until(async () => (await memory.getLRU('of 1')) && (await memory.getLRU('of 2')));
      await until(() => heard === 200);
      memory.sync.incr('heard', heard);
      const held = await memory.releaseLock('of the primary', 'wrong');
      memory.sync.incr('finished');
      say(held.slice(0, 6));
    },
  });
  assert.deepEqual(said.map(String).sort(), ['200,400', 'Failed', 'Failed']);
});

test('a worker that is blocked stalls no other process', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, say }) => {
      const blocked = ended(fork('blocked'));
      await until(() => memory.sync.has('blocked'));
      const heard = /** @type {unknown[]} */ ([]);
      const stop = memory.listen('a', (value) => heard.push(value));
      await memory.set('a', 1);
      say(await memory.mutex('lock', () => memory.get('a')));
      await until(() => heard.length === 1);
      stop();
      memory.sync.set('go on', true);
      await blocked;
    },
    blocked: ({ memory }) => {
      memory.listen('a', () => {});
      memory.sync.set('blocked', true);
      while (!memory.sync.has('go on'));
    },
  });
  assert.deepEqual(said, [1]);
});

test('messages of others on the IPC channel disturb nothing, be they null', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, say }) => {
      const worker = fork();
      const end = ended(worker);
      const heard = /** @type {unknown[]} */ ([]);
      await new Promise((/** @type {(value?: any) => void} */ resolve) => {
        worker.on('message', (message) => {
          heard.push(message);
          if (message === 'last') resolve();
        });
      });
      for (const message of [null, 0, '', { isSharedMemoryMessage: true }, 'last']) {
        worker.send(/** @type {any} */ (message));
      }
      await end;
      say(heard);
      say(await memory.get('a'));
    },
    worker: async ({ memory, say }) => {
      const heard = /** @type {unknown[]} */ ([]);
      await memory.set('a', 1);
      const last = new Promise((/** @type {(value?: any) => void} */ resolve) => {
        process.on('message', (message) => {
          heard.push(message);
          if (message === 'last') resolve();
        });
      });
      const send = (/** @type {unknown} */ message) => /** @type {any} */ (process).send(message);
      for (const message of [null, 0, '', { isSharedMemoryMessage: true, method: 'set' }, 'last']) {
        send(message);
      }
      await last;
      await memory.mutex('lock', () => memory.set('a', 2));
      say(heard);
    },
  });
  const [inWorker, inPrimary, value] = said;
  assert.deepEqual(inWorker, [null, 0, '', { isSharedMemoryMessage: true }, 'last']);
  assert.deepEqual(inPrimary, [
    null,
    0,
    '',
    { isSharedMemoryMessage: true, method: 'set' },
    'last',
  ]);
  assert.equal(value, 2);
});

test('the package sends nothing on the IPC channel, and adds no listener to the process', async () => {
  const said = await run({
    primary: async ({ memory, cluster, workers, say }) => {
      const seen = /** @type {unknown[]} */ ([]);
      cluster.on('message', (_, message) => seen.push(message));
      memory.listen('a', () => {});
      await memory.setLRU('a', 1);
      await workers();
      say(seen);
    },
    worker: async ({ memory, say }) => {
      const names = ['message', 'disconnect', 'exit', 'uncaughtException', 'SIGTERM'];
      const count = () => names.map((name) => process.listenerCount(name)).join();
      const before = count();
      memory.listen('a', () => {});
      await memory.mutex('lock', () => memory.set('a', 1));
      await memory.setLRU('a', 1);
      say(count() === before);
    },
  });
  assert.deepEqual(said, [true, []]);
});

test('an idle process ends by itself, with listeners, granted locks and a cache', () =>
  saysEverywhere(
    async ({ memory, place, say }) => {
      memory.listen('a', () => {});
      await memory.set('a', 1);
      await memory.setLRU('a', 1);
      await memory.getLock(`kept by the ${place}`);
      await memory.mutex('lock', () => {});
      say('done');
    },
    ['done'],
  ));

test('an idle worker with listeners ends once it is disconnected, by either side', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, until, say }) => {
      const worker = fork('idle');
      const end = ended(worker);
      await until(() => memory.sync.has('idle'));
      worker.disconnect();
      await end;
      say('ended');
    },
    idle: ({ memory }) => {
      memory.listen('a', () => {});
      memory.sync.set('idle', true);
      // Its channel alone keeps it alive.
      return new Promise((resolve) => process.once('disconnect', resolve));
    },
  });
  assert.deepEqual(said, ['ended']);
});

test('process.exit ends a process at once, whatever it waits for', async () => {
  const said = await run({
    primary: async ({ memory, fork, ended, say }) => {
      const id = await memory.getLock('a');
      await ended(fork());
      say(await memory.releaseLock('a', id));
    },
    worker: async ({ memory, sleep }) => {
      memory.listen('a', () => {});
      memory.getLock('a');
      await sleep(20);
      process.exit(0);
    },
  });
  assert.deepEqual(said, ['OK']);
});

test('after close everything fails with ERR_CLOSED, and no listener hears anything more', () =>
  saysEverywhere(
    async ({ memory, place, say, failure, sleep }) => {
      const { getLock, releaseLock, mutex, listen, setLRU, getLRU, removeLRU } = memory;
      let heard = 0;
      const stop = listen('a', () => heard++);
      const id = await getLock(`held by the ${place}`);
      const waiting = failure(() => getLock(`held by the ${place}`));
      const waitingMutex = failure(() => mutex(`held by the ${place}`, () => {}));
      await memory.close();
      say([(await waiting).code, (await waitingMutex).code]);
      for (const call of [getLock, getLRU, removeLRU]) say((await failure(() => call('a'))).code);
      say((await failure(() => releaseLock(`held by the ${place}`, id))).code);
      say((await failure(() => mutex('a', () => 1))).code);
      say((await failure(() => setLRU('a', 1))).code);
      say((await failure(() => listen('a', () => {}))).code);
      say(stop());
      await sleep(10);
      say(heard);
    },
    [['ERR_CLOSED', 'ERR_CLOSED'], ...Array(7).fill('ERR_CLOSED'), undefined, 0],
  ));

test('without the package in the primary, calls reject after 5 seconds, and listen does not throw', async () => {
  const said = await run({
    primary: async ({ workers }) => {
      await workers();
    },
    worker: async ({ memory, say, failure, until }) => {
      const problems = /** @type {any[]} */ ([]);
      memory.logger = (problem) => problems.push(problem);
      const began = performance.now();
      const stop = memory.listen('a', () => {});
      const calls = [
        () => memory.getLock('a'),
        () => memory.releaseLock('a', 'x'),
        () => memory.mutex('a', () => {}),
        () => memory.setLRU('a', 1),
        () => memory.getLRU('a'),
        () => memory.removeLRU('a'),
      ];
      const failures = await Promise.all(calls.map(failure));
      say(performance.now() - began);
      say(failures.map(({ code }) => code));
      await until(() => problems.length > 0);
      say(problems.map(({ code }) => code));
      stop();
    },
  });
  const [waitedMs, codes, problems] = said;
  assert.ok(waitedMs >= 5000, `${waitedMs} ms`);
  assert.deepEqual(codes, Array(6).fill('ERR_NO_PRIMARY'));
  assert.deepEqual(problems, ['ERR_NO_PRIMARY']);
});

test('a process that a member starts by child_process.fork has a store of its own', async () => {
  const said = await run({
    primary: async ({ memory, workers, job }) => {
      await memory.set('a', 1);
      await job('here');
      await workers();
    },
    worker: ({ job }) => job('here'),
    here: async ({ memory, say }) => {
      const { fork } = require('node:child_process');
      const source = `
        const memory = require('cluster-shared-memory');
        memory.get('a').then(async (before) => {
          await memory.set('a', 2);
          process.send([before === undefined, await memory.getLock('a').then((id) => typeof id)]);
          process.disconnect();
        });`;
      const id = await memory.getLock('a');
      const child = fork('-e', [source]);
      const answer = await new Promise((resolve) => child.once('message', resolve));
      say([answer, await memory.get('a'), await memory.releaseLock('a', id)]);
    },
  });
  const each = [[true, 'string'], 1, 'OK'];
  assert.deepEqual(said, [each, each]);
});
