'use strict';

// Locks on 1.1.5 and here.

const { test } = require('node:test');
const { compareEverywhere, comparePrograms } = require('./differential.js');

test('granting and releasing', () =>
  compareEverywhere(
    async ({ memory, outcome, say, show }) => {
      const any = /** @type {any} */ (memory);
      const id = await memory.getLock('a');
      say(['an id', show(typeof id)]);
      say(['a wrong id', await outcome(() => memory.releaseLock('a', 'wrong'))]);
      say(['no id', await outcome(() => any.releaseLock('a'))]);
      say([
        'another key',
        await outcome(async () => (await memory.releaseLock('b', id)).split(id)),
      ]);
      say(['the id', await outcome(() => memory.releaseLock('a', id))]);
      const again = await outcome(() => memory.releaseLock('a', id));
      say(['the id again', again.replace(id, 'the id')]);
      say(['not locked', await outcome(() => memory.releaseLock('a', 'x'))]);
      say(['not locked, no id', await outcome(() => any.releaseLock('a'))]);
      say(['never locked', await outcome(() => memory.releaseLock('never', 'x'))]);
      say(['never locked, no id', await outcome(() => any.releaseLock('never'))]);
      const other = await memory.getLock('a');
      say(['an id of its own each time', show(other !== id)]);
      say([
        'with a callback',
        await outcome(() => new Promise((done) => memory.releaseLock('a', other, done))),
      ]);
    },
    {
      differences: ['not locked, no id', 'never locked, no id'].map((label) => ({
        label,
        was: "'OK'",
        is: `"Failed. LockId:undefined does not match ${label.startsWith('never') ? 'never' : 'a'}'s lockId."`,
      })),
    },
  ));

test('the order of grants in one place', () =>
  compareEverywhere(
    async ({ memory, say, show, sleep }) => {
      const order = /** @type {string[]} */ ([]);
      const request = async (/** @type {string} */ name) => {
        order.push(`${name} asks`);
        const id = await memory.getLock('a');
        order.push(`${name} has it`);
        await sleep(5);
        order.push(`${name} releases`);
        await memory.releaseLock('a', id);
      };
      await Promise.all(['first', 'second', 'third'].map(request));
      say(['order', show(order)]);
    },
    { modes: ['json'] },
  ));

test('the order of grants over processes', () =>
  comparePrograms(
    {
      primary: async ({ memory, fork, ended, sleep, say, show }) => {
        const id = await memory.getLock('a');
        const ends = [];
        for (const name of ['one', 'two', 'three']) {
          const worker = fork('worker', { NAME: name });
          ends.push(ended(worker));
          await new Promise((resolve) =>
            worker.once('message', function asked(message) {
              if (message === 'asked') resolve(undefined);
              else worker.once('message', asked);
            }),
          );
          await sleep(20);
        }
        const last = memory.getLock('a');
        say(['released', await memory.releaseLock('a', id)]);
        say(['released at last', await memory.releaseLock('a', await last)]);
        await Promise.all(ends);
        say(['order', show(await memory.get('order'))]);
        say(['counted', show(await memory.get('count'))]);
      },
      worker: async ({ memory, sleep }) => {
        const granted = memory.getLock('a');
        // What came through the same channel before has arrived by then.
        await memory.get('order');
        /** @type {any} */ (process).send('asked');
        const id = await granted;
        const order = (await memory.get('order')) ?? [];
        const count = (await memory.get('count')) ?? 0;
        await sleep(20);
        await memory.set('order', [...order, process.env.NAME]);
        await memory.set('count', count + 1);
        await memory.releaseLock('a', id);
      },
    },
    { modes: ['json'] },
  ));

test('releasing what another process has locked', () =>
  comparePrograms(
    {
      primary: async ({ memory, workers, say }) => {
        await memory.set('id', await memory.getLock('a'));
        await workers();
        say(['free', await memory.mutex('a', () => 'again')]);
      },
      worker: async ({ memory, say, show }) => {
        say(['released', show(await memory.releaseLock('a', String(await memory.get('id'))))]);
      },
    },
    { modes: ['json'] },
  ));

test('what mutex gives', () =>
  compareEverywhere(
    async ({ memory, outcome, say, show }) => {
      const { mutex } = { mutex: memory.mutex.bind(memory) };
      say(['a value', await outcome(() => mutex('a', () => 1))]);
      say(['a promise', await outcome(() => mutex('a', async () => ({ two: 2 })))]);
      say(['nothing', await outcome(() => mutex('a', () => {}))]);
      say(['nested', await outcome(() => mutex('a', () => mutex('b', () => 'deep')))]);
      say([
        'a callback argument',
        await outcome(() => mutex('a', (/** @type {any[]} */ ...args) => args.length)),
      ]);
      const inside = await outcome(() => mutex('a', () => memory.releaseLock('a', 'a wrong id')));
      say(['inside it is locked', inside]);
      let count = 0;
      const add = async () => {
        const before = count;
        await null;
        count = before + 1;
      };
      await Promise.all(Array.from({ length: 100 }, () => mutex('a', add)));
      say(['counted', show(count)]);
    },
    { modes: ['json'] },
  ));

test('mutex when its function fails', () =>
  compareEverywhere(
    async ({ memory, outcome, say, place }) => {
      const any = /** @type {any} */ (memory);
      const fail = () => {
        throw new Error('mine');
      };
      /** @type {Array<[string, unknown]>} */
      const functions = [
        ['throws', fail],
        ['rejects', async () => fail()],
        ['is none', undefined],
        ['is a text', 'text'],
      ];
      for (const [what, fn] of functions) {
        const key = `${place} ${what}`;
        say([what, await outcome(() => any.mutex(key, fn))]);
        say([`after it ${what}`, await outcome(() => any.mutex(key, () => 'free'), 300)]);
      }
    },
    {
      modes: ['json'],
      differences: [
        ...['throws', 'rejects', 'is none', 'is a text'].map((what) => ({
          label: `after it ${what}`,
          was: 'never',
          is: "'free'",
        })),
        ...['is none', 'is a text'].map((label) => ({
          label,
          was: 'TypeError func is not a function',
          is: 'TypeError ERR_INVALID_ARG_TYPE',
        })),
      ],
    },
  ));

test('the lock of a worker that dies, and a worker that dies while it waits', () =>
  comparePrograms(
    {
      primary: async ({ memory, fork, kill, outcome, until, say }) => {
        memory;
        const holder = fork('dies', { KEY: 'held' });
        await until(() => memory.get('held'));
        await kill(holder);
        say(['held by the dead', await outcome(() => memory.mutex('held', () => 'free'), 300)]);
        const id = await memory.getLock('waited for');
        const waiter = fork('dies', { KEY: 'waited for' });
        await until(() => memory.get('waited for'));
        await kill(waiter);
        await memory.releaseLock('waited for', id);
        const next = await outcome(() => memory.mutex('waited for', () => 'free'), 300);
        say(['waited for by the dead', next]);
      },
      dies: async ({ memory, sleep }) => {
        const key = String(process.env.KEY);
        const granted = memory.getLock(key);
        if (key === 'held') await granted;
        await memory.set(key, true);
        await sleep(60_000);
      },
    },
    {
      modes: ['json'],
      differences: ['held by the dead', 'waited for by the dead'].map((label) => ({
        label,
        was: 'never',
        is: "'free'",
      })),
    },
  ));
