'use strict';

// Processes and threads on 1.1.5 and here, and the face that each of them sees.

const { test } = require('node:test');
const { compareEverywhere, comparePrograms } = require('./differential.js');

/** @type {'json'[]} */
const MODES = ['json'];

test('the methods of 1.1.5', () =>
  compareEverywhere(
    async ({ memory, say, show }) => {
      const values = ['get', 'set', 'remove', 'listen'];
      const locks = ['getLock', 'releaseLock', 'mutex'];
      const lru = ['getLRU', 'setLRU', 'removeLRU', 'setLRUOptions'];
      for (const name of [...values, ...locks, ...lru]) {
        say([name, show(typeof (/** @type {any} */ (memory)[name]))]);
      }
      say(['logger is console.error', show(memory.logger === console.error)]);
      memory.logger = () => {};
      say(['logger can be set', show(memory.logger !== console.error)]);
    },
    {
      modes: MODES,
      differences: [
        { label: 'setLRUOptions', was: "'undefined'", is: "'function'", in: 'worker' },
        { label: 'logger is console.error', was: 'false', is: 'true', in: 'worker' },
      ],
    },
  ));

test('a thread of the primary', () =>
  comparePrograms(
    {
      primary: async ({ memory, thread, say, show }) => {
        await memory.set('from the primary', 1);
        await thread();
        say(['the primary sees the thread', show(await memory.get('from a thread'))]);
      },
      thread: async ({ memory, say, show }) => {
        say(['the thread sees the primary', show(await memory.get('from the primary'))]);
        await memory.set('from a thread', 2);
        say(['the thread sees itself', show(await memory.get('from a thread'))]);
      },
    },
    {
      modes: MODES,
      differences: [
        { label: 'the thread sees the primary', was: 'undefined', is: '1' },
        { label: 'the primary sees the thread', was: 'undefined', is: '2' },
      ],
    },
  ));

test('a package that is required late in the primary', () =>
  comparePrograms(
    {
      primary: async (t) => {
        const worker = t.fork();
        const end = new Promise((resolve) => worker.once('exit', resolve));
        await new Promise((resolve) => worker.once('online', resolve));
        await t.sleep(50);
        await t.memory.set('a', 1);
        await end;
      },
      worker: async ({ memory, outcome, say, sleep }) => {
        await sleep(100);
        say(['get', await outcome(() => memory.get('a'), 500)]);
      },
    },
    { modes: MODES, differences: [{ label: 'get', was: 'never', is: '1' }] },
  ));

test('a message null, from a worker and from the primary', () =>
  comparePrograms(
    {
      primary: async ({ memory, fork, ended, until, say }) => {
        const seen = /** @type {string[]} */ ([]);
        process.on('uncaughtException', (error) => seen.push(error.name));
        await memory.set('a', 1);
        const worker = fork();
        const end = ended(worker);
        worker.on('message', (message) => {
          if (message === 'now you') worker.send(/** @type {any} */ (null));
        });
        await end;
        await until(async () => (await memory.get('a')) === 2);
        say(['in the primary', seen.join()]);
      },
      worker: async ({ memory, say, sleep }) => {
        const seen = /** @type {string[]} */ ([]);
        process.on('uncaughtException', (error) => seen.push(error.name));
        const got = new Promise((/** @type {(value?: any) => void} */ resolve) => {
          // Before the listener of 1.1.5, which throws.
          process.prependListener('message', (message) => message === null && resolve());
        });
        await memory.get('a');
        const { send } = /** @type {any} */ (process);
        send.call(process, null);
        send.call(process, 'now you');
        await got;
        await sleep(20);
        await memory.set('a', 2);
        say(['in the worker', seen.join()]);
      },
    },
    {
      modes: MODES,
      differences: [
        { label: 'in the primary', was: 'TypeError', is: '' },
        { label: 'in the worker', was: 'TypeError', is: '' },
      ],
    },
  ));

test('an empty key in a worker', () =>
  comparePrograms(
    {
      primary: async ({ memory, workers, say }) => {
        const seen = /** @type {string[]} */ ([]);
        process.on('uncaughtException', (error) => seen.push(error.name));
        await memory.set('a', 1);
        await workers();
        say(['in the primary', seen.join()]);
      },
      worker: async ({ memory, outcome, say }) => {
        say(['set', await outcome(() => memory.set('', 'value'), 300)]);
        say(['get', await outcome(() => memory.get(''), 300)]);
      },
    },
    {
      modes: MODES,
      differences: [
        { label: 'in the primary', was: 'TypeError', is: '' },
        { label: 'set', was: 'never', is: "'OK'" },
        { label: 'get', was: 'undefined', is: "'value'" },
      ],
    },
  ));

test('a get while the primary is busy', () =>
  comparePrograms(
    {
      primary: async ({ memory, fork, ended, say, show }) => {
        await memory.set('a', 1);
        const worker = fork();
        const end = ended(worker);
        const told = (/** @type {string} */ name) =>
          new Promise((/** @type {(value: any) => void} */ resolve) => {
            worker.on('message', (message) => message[name] && resolve(message[name]));
          });
        const got = told('gotAt');
        await told('ready');
        worker.send({ busy: true });
        // 1.1.5 needs an end to it; here it ends because the worker has its value.
        const until = performance.now() + 500;
        const isOver = () =>
          process.env.TEST_PACKAGE ? performance.now() > until : memory.sync.has('got');
        while (!isOver());
        const free = process.hrtime.bigint();
        say(['is answered before it is free', show(BigInt(await got) < free)]);
        await end;
      },
      worker: async ({ memory }) => {
        await memory.get('a');
        const { send } = /** @type {any} */ (process);
        const busy = new Promise((/** @type {(value?: any) => void} */ resolve) => {
          process.on('message', (/** @type {any} */ message) => message.busy && resolve());
        });
        send.call(process, { ready: true });
        await busy;
        await memory.get('a');
        const now = process.hrtime.bigint();
        await memory.set('got', true);
        await new Promise((resolve) => send.call(process, { gotAt: String(now) }, resolve));
      },
    },
    {
      modes: MODES,
      differences: [{ label: 'is answered before it is free', was: 'false', is: 'true' }],
    },
  ));

test('a process that child_process.fork starts', () =>
  comparePrograms(
    {
      primary: async ({ memory, say, show }) => {
        await memory.set('a', 1);
        const name = process.env.TEST_PACKAGE ?? 'cluster-shared-memory';
        const source = `
          const memory = require('${name}');
          memory.get('a').then(async (before) => {
            await memory.set('a', 2);
            process.send([String(before), await memory.get('a')]);
            process.disconnect();
          });`;
        const { fork } = require('node:child_process');
        const child = fork('-e', [source]);
        say(['there', show(await new Promise((resolve) => child.once('message', resolve)))]);
        say(['here', show(await memory.get('a'))]);
      },
    },
    { modes: MODES },
  ));
