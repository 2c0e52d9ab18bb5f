'use strict';

// Namespaces: keys, locks and listeners apart from all others.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const memory = require('../index.js');
const { run } = require('./helpers.js');
const { saysEverywhere } = require('./places.js');

const LIMIT = { timeout: 60_000 };

test('the same key holds another value in each namespace, in every place', LIMIT, async () => {
  await saysEverywhere(
    async ({ memory, place, say }) => {
      const [one, other] = [memory.namespace('one'), memory.namespace('other')];
      const spaces = [memory, one, other];
      if (place === 'primary') {
        await Promise.all(spaces.map((space, i) => space.set('key', { i })));
        await one.set('only', 1);
      }
      say(await Promise.all(spaces.map((space) => space.get('key'))));
      say(spaces.map(({ sync }) => sync.get('only')));
      say(spaces.map(({ sync }) => [...sync.keys()].sort()));
      say(await Promise.all(spaces.map((space) => space.size())));
    },
    [
      [{ i: 0 }, { i: 1 }, { i: 2 }],
      [undefined, 1, undefined],
      [['key'], ['key', 'only'], ['key']],
      [1, 2, 1],
    ],
  );
});

test('what is done in one namespace leaves the others alone', LIMIT, async () => {
  const [one, other] = [memory.namespace('one'), memory.namespace('other')];
  const spaces = [memory, one, other];
  for (const space of spaces) await space.setMany({ a: 1, b: 'text', n: 5 });
  await one.incr('n');
  await one.getAndSet('a', 'new');
  await one.touch('b', 60_000);
  await one.remove('b');
  assert.equal(await one.add('b', 'again', { ttl: 60_000 }), true);
  for (const space of [memory, other]) {
    assert.deepEqual(await space.getMany(['a', 'b', 'n']), [1, 'text', 5]);
    assert.equal(await space.ttl('b'), Number.POSITIVE_INFINITY);
  }
  const { version } = await one.getWithVersion('a');
  assert.ok(version > 0);
  assert.equal(await one.clear(), 'OK');
  assert.deepEqual([await one.size(), await other.size()], [0, 3]);
  assert.equal(await memory.clear(), 'OK');
  assert.deepEqual([await memory.size(), await other.size()], [0, 3]);
  assert.deepEqual(await other.getMany(['a', 'b', 'n']), [1, 'text', 5]);
});

test('a namespace of a name is one object, which knows its name', LIMIT, () => {
  const space = memory.namespace('same');
  assert.equal(memory.namespace('same'), space);
  assert.equal(memory.namespace('same', { maxMemory: '1mb' }), space);
  assert.equal(space.name, 'same');
  assert.notEqual(memory.namespace('Same'), space);
});

test('a namespace has the methods of the memory but for those on the whole', LIMIT, () => {
  const whole = ['close', 'configure', 'logger', 'namespace', 'stats'];
  const cache = ['getLRU', 'setLRU', 'removeLRU', 'setLRUOptions'];
  const expected = Object.keys(memory).filter((name) => ![...whole, ...cache].includes(name));
  assert.deepEqual(Object.keys(memory.namespace('same')).sort(), [...expected, 'name'].sort());
  assert.deepEqual(Object.keys(memory.namespace('same').sync), Object.keys(memory.sync));
});

test('locks of the same key are apart', LIMIT, async () => {
  const [one, other] = [memory.namespace('one'), memory.namespace('other')];
  const ids = await Promise.all([memory, one, other].map((space) => space.getLock('key')));
  assert.equal(new Set(ids).size, 3);
  assert.match(await one.releaseLock('key', ids[2]), /^Failed/);
  assert.match(await memory.releaseLock('key', ids[1]), /^Failed/);
  let isFree = false;
  const waiting = one.mutex('key', () => {
    isFree = true;
    return 'done';
  });
  assert.equal(await other.releaseLock('key', ids[2]), 'OK');
  assert.equal(await other.mutex('key', () => isFree), false);
  assert.equal(await one.releaseLock('key', ids[1]), 'OK');
  assert.equal(await waiting, 'done');
  assert.equal(await memory.releaseLock('key', ids[0]), 'OK');
});

test(
  'locks of a namespace are granted over processes, and let go of by those that die',
  LIMIT,
  async () => {
    const said = await run({
      primary: async ({ memory, fork, kill, workers, until, say }) => {
        const space = memory.namespace('locks');
        const holder = fork('holder');
        await until(() => space.has('held'));
        const waiting = space.mutex('key', () => 'free');
        await kill(holder);
        say(await waiting);
        await workers(3);
        say(await space.get('count'));
      },
      holder: async ({ memory, sleep }) => {
        const space = memory.namespace('locks');
        await space.getLock('key');
        await space.set('held', true);
        await sleep(50_000);
      },
      worker: async ({ memory }) => {
        const space = memory.namespace('locks');
        for (let i = 0; i < 50; i += 1) {
          await space.mutex('key', async () => {
            const count = (await space.get('count')) ?? 0;
            await space.set('count', count + 1);
          });
        }
      },
    });
    assert.deepEqual(said, ['free', 150]);
  },
);

test('listeners hear of their own namespace only, each change in its order', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, until, say }) => {
      const spaces = [memory, memory.namespace('one'), memory.namespace('other')];
      const heard = spaces.map(() => /** @type {unknown[]} */ ([]));
      const stops = spaces.map((space, i) => space.listen('key', (value) => heard[i].push(value)));
      await workers();
      await until(() => heard.every((list) => list.at(-1) === 'end'));
      say(heard);
      stops[1]();
      for (const space of spaces) await space.set('key', 'more');
      await until(() => heard[0].at(-1) === 'more' && heard[2].at(-1) === 'more');
      say(heard[1].at(-1));
    },
    worker: async ({ memory }) => {
      await memory.set('key', 0);
      await memory.namespace('one').set('key', { n: 1 });
      await memory.namespace('one').remove('key');
      await memory.namespace('other').incr('key', 2);
      await memory.namespace('other').clear();
      for (const space of [memory, memory.namespace('one'), memory.namespace('other')]) {
        await space.set('key', 'end');
      }
    },
  });
  const gone = undefined;
  assert.deepEqual(said, [
    [
      [0, 'end'],
      [{ n: 1 }, gone, 'end'],
      [2, gone, 'end'],
    ],
    'end',
  ]);
});

test('stats tells what each namespace holds', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, say }) => {
      await memory.set('common', 1);
      const space = memory.namespace('b', { maxMemory: '1mb' });
      await space.setMany({ x: 'x'.repeat(1000), y: 1 });
      await memory.namespace('a').set('z', 1);
      const { entries, namespaces } = await memory.stats();
      say([entries, await memory.size(), namespaces.map(({ bytes, ...rest }) => rest)]);
      say([namespaces[1].bytes > 1000, namespaces[1].bytes < 2000]);
      await space.clear();
      say((await memory.stats()).namespaces[1]);
    },
  });
  const [a, b] = [
    { name: 'a', entries: 1, maximum: 0 },
    { name: 'b', entries: 2, maximum: 2 ** 20 },
  ];
  assert.deepEqual(said, [[4, 1, [a, b]], [true, true], { ...b, entries: 0, bytes: 0 }]);
});
