'use strict';

// What a listener hears. One that cannot keep up: listen-behind.test.js.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

test('a listener hears each set, incr and remove of its own place, in order', () =>
  saysEverywhere(
    async ({ memory, say, until }) => {
      const heard = /** @type {unknown[]} */ ([]);
      const stop = memory.listen('a', (...args) => heard.push(args));
      await memory.set('a', 1);
      memory.sync.set('a', 'text');
      await memory.set('a', { list: [1] });
      await memory.set('a', undefined);
      await memory.remove('a');
      await memory.incr('a', 5);
      memory.sync.incr('a');
      memory.sync.remove('a');
      await until(() => heard.length === 8);
      say(heard);
      stop();
    },
    [[[1], ['text'], [{ list: [1] }], [undefined], [undefined], [5], [6], [undefined]]],
  ));

test('a listener hears what changes nothing: an equal value, and a remove of a missing key', () =>
  saysEverywhere(
    async ({ memory, say, until }) => {
      const heard = /** @type {unknown[]} */ ([]);
      const stop = memory.listen('a', (value) => heard.push(value));
      for (let i = 0; i < 5; i++) await memory.set('a', 'same');
      for (let i = 0; i < 3; i++) await memory.remove('a');
      for (let i = 0; i < 2; i++) await memory.incr('a', 0);
      await memory.remove('a');
      await until(() => heard.length === 11);
      say(heard);
      stop();
    },
    [[...Array(5).fill('same'), ...Array(3).fill(undefined), 0, 0, undefined]],
  ));

test('a listener hears values of every kind, short and long', () =>
  saysEverywhere(
    async ({ memory, input, say, until }) => {
      for (const mode of /** @type {const} */ (['json', 'advanced'])) {
        memory.configure({ mode });
        const heard = /** @type {unknown[]} */ ([]);
        const stop = memory.listen('a', (value) => heard.push(value));
        for (const value of input) await memory.set('a', value);
        await until(() => heard.length === input.length);
        stop();
        say(heard.every((value, i) => require('node:util').isDeepStrictEqual(value, input[i])));
        await memory.set('a', new Map([[1, 2]]));
        await memory.remove('a');
      }
    },
    [true, true],
    {
      input: [
        ...[undefined, null, true, false, 0, -0, 1.5, Number.NaN, '', 'text', 'x'.repeat(20_000)],
        ...['lone \ud83d', { a: [1, { b: null }] }, [], Buffer.from('bytes'), new Uint8Array(5000)],
      ],
    },
  ));

test('a listener hears the changes of every process and thread, in one order', async () => {
  const said = await run({
    primary: async ({ memory, job, fork, ended, startThread, until, say }) => {
      const listening = job('listen');
      const others = [ended(fork('listen')), ended(fork('listenInThread'))];
      startThread('listen');
      await until(() => memory.sync.get('ready') === 4);
      const writers = [ended(fork('write')), ended(fork('write'))];
      startThread('write');
      await job('write');
      await Promise.all([listening, ...others, ...writers]);
      const all = await Promise.all([1, 2, 3, 4].map((n) => memory.get(`heard ${n}`)));
      say(all.map((heard) => heard.length));
      say(new Set(all[0]).size);
      say(all.every((heard) => heard.join() === all[0].join()));
    },
    listenInThread: ({ startThread }) =>
      new Promise((resolve) => startThread('listen').once('exit', resolve)),
    listen: async ({ memory, until }) => {
      const heard = /** @type {unknown[]} */ ([]);
      memory.listen('a', (value) => heard.push(value));
      const number = await memory.incr('ready');
      await until(() => heard.length === 400);
      await memory.set(`heard ${number}`, heard);
    },
    write: async ({ memory }) => {
      const number = await memory.incr('writers');
      for (let i = 0; i < 100; i++) await memory.set('a', `${number} ${i}`);
    },
  });
  assert.deepEqual(said, [Array(4).fill(400), 400, true]);
});

test('once its callback begins, get gives the value or a newer one', async () => {
  const said = await run({
    primary: async ({ memory, workers, fork, ended, until, say }) => {
      const listener = ended(fork('listener'));
      await until(() => memory.sync.has('ready'));
      await workers();
      await listener;
      say('done');
    },
    listener: async ({ memory, until, say }) => {
      let last = 0;
      let wrong = 0;
      memory.listen('a', (value) => {
        if (memory.sync.get('a') < value) wrong++;
        if (value <= last) wrong++;
        last = value;
      });
      memory.sync.set('ready', true);
      await until(() => last === 5000);
      say(wrong);
    },
    worker: async ({ memory }) => {
      for (let i = 1; i <= 5000; i++) {
        if (i % 2 === 0) memory.sync.set('a', i);
        else await memory.incr('a');
      }
    },
  });
  assert.deepEqual(said, [0, 'done']);
});

test('each listener gets a copy of its own', () =>
  saysEverywhere(
    async ({ memory, say, until }) => {
      const heard = /** @type {any[]} */ ([]);
      const hear = (/** @type {any} */ value) => {
        value.list.push(heard.length);
        heard.push(value);
      };
      const stops = [memory.listen('a', hear), memory.listen('a', hear)];
      const value = { list: ['set'] };
      await memory.set('a', value);
      await until(() => heard.length === 2);
      say(heard);
      say([value, await memory.get('a')]);
      for (const stop of stops) stop();
    },
    [
      [{ list: ['set', 0] }, { list: ['set', 1] }],
      [{ list: ['set'] }, { list: ['set'] }],
    ],
  ));

test('listeners of one place hear a change in the order in which they came', () =>
  saysEverywhere(
    async ({ memory, say, until }) => {
      const heard = /** @type {string[]} */ ([]);
      const stops = ['first', 'second', 'third'].map((name) =>
        memory.listen('a', (value) => heard.push(`${name} ${value}`)),
      );
      await memory.set('a', 1);
      await until(() => heard.length === 3);
      say(heard);
      for (const stop of stops) stop();
    },
    [['first 1', 'second 1', 'third 1']],
  ));

test('a listener hears its key alone, whatever the key is', () =>
  saysEverywhere(
    async ({ memory, say, until }) => {
      const strings = [
        '',
        '__proto__',
        'constructor',
        'a\0b',
        '\ud83d',
        '\ud83d\ude00',
        'x'.repeat(2000),
      ];
      const keys = [...strings, 1, true];
      const heard = /** @type {unknown[]} */ ([]);
      const stops = keys.map((key, i) =>
        memory.listen(key, (value) => heard.push(value === i ? i : `${value} under ${i}`)),
      );
      for (let i = 0; i < 100; i++) await memory.set(`other ${i}`, i);
      for (const [i, key] of keys.entries()) {
        await memory.set(String(key), i);
        await until(() => heard.length === i + 1);
      }
      say(heard);
      for (const stop of stops) stop();
    },
    [[0, 1, 2, 3, 4, 5, 6, 7, 8]],
  ));

test('the function that listen returns ends this listener, for good', () =>
  saysEverywhere(
    async ({ memory, say, until, sleep }) => {
      const heard = /** @type {string[]} */ ([]);
      const hear = (/** @type {unknown} */ value) => heard.push(`twice ${value}`);
      const stop = memory.listen('a', hear);
      const stopSecond = memory.listen('a', hear);
      const stopOther = memory.listen('a', (value) => heard.push(`other ${value}`));
      await memory.set('a', 1);
      await until(() => heard.length === 3);
      say([stop(), stop(), stop()]);
      await memory.set('a', 2);
      await until(() => heard.length === 5);
      stopSecond();
      stop();
      await memory.set('a', 3);
      await until(() => heard.length === 6);
      stopOther();
      await memory.set('a', 4);
      await sleep(30);
      say(heard);
    },
    [
      [undefined, undefined, undefined],
      ['twice 1', 'twice 1', 'other 1', 'twice 2', 'other 2', 'other 3'],
    ],
  ));

test('a listener that was ended hears nothing more, also of what was changed before', () =>
  saysEverywhere(
    async ({ memory, say, sleep }) => {
      const heard = /** @type {unknown[]} */ ([]);
      const stop = memory.listen('a', (value) => heard.push(value));
      memory.sync.set('a', 'too late');
      const before = heard.length;
      stop();
      await sleep(30);
      say(heard.length - before);
    },
    [0],
  ));

test('a callback may end its listener, begin others, and set the key', () =>
  saysEverywhere(
    async ({ memory, say, until, sleep }) => {
      const heard = /** @type {string[]} */ ([]);
      const stop = memory.listen('a', (value) => {
        heard.push(`first ${value}`);
        stop();
        const stopInner = memory.listen('a', (later) => {
          heard.push(`inner ${later}`);
          if (later < 4) memory.sync.set('a', later + 1);
          else stopInner();
        });
        memory.sync.set('a', 2);
      });
      await memory.set('a', 1);
      await until(() => heard.length === 4);
      await memory.set('a', 5);
      await sleep(30);
      say(heard);
    },
    [['first 1', 'inner 2', 'inner 3', 'inner 4']],
  ));

test('what a listener throws is an uncaught exception, and disturbs no other listener', () =>
  saysEverywhere(
    async ({ memory, say, until }) => {
      const seen = /** @type {string[]} */ ([]);
      const onError = (/** @type {Error} */ error, /** @type {string} */ origin) =>
        seen.push(`${error.message} ${origin}`);
      process.on('uncaughtException', onError);
      const heard = /** @type {unknown[]} */ ([]);
      const stops = [
        memory.listen('a', (value) => {
          throw new Error(`mine ${value}`);
        }),
        memory.listen('a', (value) => heard.push(value)),
        memory.listen('b', (value) => heard.push(value)),
      ];
      await memory.set('a', 1);
      await memory.set('a', 2);
      await until(() => heard.length === 2 && seen.length === 2);
      await memory.set('b', 3);
      await until(() => heard.length === 3);
      say([heard, seen]);
      for (const stop of stops) stop();
      process.off('uncaughtException', onError);
    },
    [
      [
        [1, 2, 3],
        ['mine 1 uncaughtException', 'mine 2 uncaughtException'],
      ],
    ],
  ));

test('listen without a callback throws, and with a wrong key too', () =>
  saysEverywhere(
    async ({ memory, say }) => {
      const { listen } = /** @type {any} */ (memory);
      const thrown = (/** @type {any[]} */ ...args) => {
        try {
          listen(...args);
          return 'nothing';
        } catch (thrown) {
          const error = /** @type {any} */ (thrown);
          return args[1] instanceof Function ? error.code : `${error.name}: ${error.message}`;
        }
      };
      for (const callback of [undefined, null, 'text', {}]) say(thrown('a', callback));
      say(thrown());
      for (const key of [undefined, null, {}, Symbol('s')]) say(thrown(key, () => {}));
      say(thrown('x'.repeat(2001), () => {}));
    },
    [
      ...Array(5).fill('Error: a listener must have a callback.'),
      ...Array(4).fill('ERR_INVALID_ARG_TYPE'),
      'ERR_KEY_TOO_LONG',
    ],
  ));

test('what happens in the LRU, and to locks, is no news', async () => {
  const said = await run({
    primary: async ({ memory, say, until }) => {
      const heard = /** @type {unknown[]} */ ([]);
      memory.listen('a', (value) => heard.push(value));
      memory.setLRUOptions({ max: 2 });
      await memory.setLRU('a', 1);
      await memory.getLRU('a');
      await memory.removeLRU('a');
      for (const key of ['a', 'b', 'c']) await memory.setLRU(key, 2);
      await memory.releaseLock('a', await memory.getLock('a'));
      await memory.set('a', 'set');
      await until(() => heard.length > 0);
      say(heard);
    },
  });
  assert.deepEqual(said, [['set']]);
});

test('a worker may listen before its primary has the package', async () => {
  const said = await run({
    primary: async (t) => {
      const worker = t.fork();
      await new Promise((resolve) => worker.once('message', resolve));
      await t.sleep(100);
      t.memory;
      await t.ended(worker);
    },
    worker: async ({ memory, until, say }) => {
      const heard = /** @type {unknown[]} */ ([]);
      memory.listen('a', (value) => heard.push(value));
      const ended = memory.listen('a', () => say('was ended'));
      ended();
      const set = memory.set('a', 'early');
      /** @type {any} */ (process).send('asked');
      await set;
      await until(() => heard.length > 0);
      say(heard);
    },
  });
  assert.deepEqual(said, [['early']]);
});
