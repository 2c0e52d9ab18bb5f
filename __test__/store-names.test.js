'use strict';

// The names of namespaces: which there may be, and how many.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

const LIMIT = { timeout: 60_000 };

test('names are any string, also of other programs', LIMIT, async () => {
  const wide = ['\u4e2d', 'a\u4e2d', '\ud83d\ude00', '\ud800', '\u4e2d'.repeat(200)];
  const names = ['__proto__', 'constructor', 'a', 'A', ' ', 'a\0b', '\u00e9', 'x'.repeat(200)];
  const said = await run(
    {
      primary: async ({ memory, input, workers, say }) => {
        for (const name of input) await memory.namespace(name).set('name', name);
        await workers();
        for (const name of input) say(await memory.namespace(name).get('back'));
        const { namespaces } = await memory.stats();
        say(namespaces.map(({ name }) => name).sort());
      },
      worker: async ({ memory, input }) => {
        for (const name of [...input].reverse()) {
          const space = memory.namespace(name);
          await space.set('back', await space.get('name'));
        }
      },
    },
    { input: [...names, ...wide] },
  );
  const told = said.pop();
  assert.deepEqual(said, [...names, ...wide]);
  // What is no text cannot be told as one.
  const texts = [...names, ...wide].map((name) => (name === '\ud800' ? '\ufffd' : name));
  assert.deepEqual(told, texts.sort());
});

test('there are 254 names, over all processes, and then no more', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, say, failure }) => {
      for (let i = 0; i < 200; i += 1) await memory.namespace(`n${i}`).set('i', i);
      await workers();
      const { code, maximum } = await failure(() => memory.namespace('one more').set('i', 1));
      say([code, maximum]);
      say((await failure(() => memory.namespace('another').sync.get('i'))).code);
      say((await failure(() => memory.namespace('bound', { maxMemory: '1mb' }))).code);
      say((await failure(() => memory.namespace('heard').listen('a', () => {}))).code);
      say(await memory.namespace('n0').get('i'));
      say(await memory.namespace('w53').get('i'));
      say((await memory.stats()).namespaces.length);
    },
    worker: async ({ memory }) => {
      for (let i = 0; i < 54; i += 1) await memory.namespace(`w${i}`).set('i', i);
    },
  });
  const code = 'ERR_TOO_MANY_NAMESPACES';
  assert.deepEqual(said, [[code, 254], code, code, code, 0, 53, 254]);
});

test('workers that name the same at the same time make each once', LIMIT, async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      await memory.has('anything');
      await workers(4);
      const { namespaces } = await memory.stats();
      say(namespaces.map(({ entries }) => entries));
    },
    worker: async ({ cluster, memory }) => {
      memory.sync.incr('ready');
      while (memory.sync.get('ready') < 4);
      for (let i = 0; i < 254; i += 1) {
        memory.namespace(`n${i}`).sync.set(String(cluster.worker?.id), i);
      }
    },
  });
  assert.deepEqual(said, [Array(254).fill(4)]);
});
