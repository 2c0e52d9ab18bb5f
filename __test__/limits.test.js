'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { run } = require('./helpers.js');

const MIB = 2 ** 20;

test('a full memory is an error with the figures, and nothing is changed', async () => {
  const [error, kept, second, same] = await run({
    primary: async ({ memory, workers }) => {
      memory.configure({ maxMemory: '16mb' });
      await memory.set('kept', 'x'.repeat(1000));
      await memory.set('large', Buffer.alloc(9 * 2 ** 20));
      await workers();
    },
    worker: async ({ memory, say, failure }) => {
      const large = Buffer.alloc(9 * 2 ** 20, 1);
      say(await failure(() => memory.set('second', large)));
      await failure(() => memory.set('kept', large));
      say(await memory.get('kept'));
      say(await memory.has('second'));
      await memory.remove('large');
      await memory.set('second', large);
      const second = await memory.get('second');
      say(large.equals(second));
    },
  });
  assert.equal(error.name, 'SharedMemoryError');
  assert.equal(error.code, 'ERR_OUT_OF_MEMORY');
  assert.ok(error.need >= 9 * MIB, `${error.need} bytes needed`);
  assert.ok(error.free >= 0 && error.free <= error.maximum, `${error.free} bytes free`);
  assert.ok(error.maximum > 8 * MIB && error.maximum <= 16 * MIB, `${error.maximum} at most`);
  assert.equal(kept, 'x'.repeat(1000));
  assert.deepEqual([second, same], [false, true]);
});

test('a memory full of small values takes new ones when old ones go', async () => {
  const said = await run({
    primary: async ({ memory, say }) => {
      memory.configure({ maxMemory: '16mb' });
      const text = 'x'.repeat(2000);
      let count = 0;
      try {
        for (; ; count++) memory.sync.set(count, text);
      } catch (error) {
        say(/** @type {any} */ (error).code);
      }
      say(count);
      say((await memory.stats()).entries === count);
      for (let i = 0; i < count; i += 2) memory.sync.remove(i);
      for (let i = 0; i < count; i += 2) memory.sync.set(i, text.replaceAll('x', 'y'));
      let right = 0;
      for (let i = 0; i < count; i++) if (memory.sync.get(i)?.[0] === 'yx'[i % 2]) right++;
      say(right === count);
    },
  });
  const [code, count, ...rest] = said;
  assert.equal(code, 'ERR_OUT_OF_MEMORY');
  assert.ok(count > 3000, `${count} values of 2000 bytes in 16 MiB`);
  assert.deepEqual(rest, [true, true]);
});

test('values of 100 MB come back whole', async () => {
  const said = await run(
    {
      primary: async ({ memory, workers, say }) => {
        memory.configure({ maxMemory: '1gb' });
        await memory.set('bytes', Buffer.alloc(1e8, 'some bytes'));
        await memory.set('text', 'one-byte \u00e9 '.repeat(1e7));
        await memory.set('wide', '\u65e5\u672c'.repeat(2.5e7));
        await memory.set('json', { text: 'x'.repeat(1e8), list: [1, 2, 3] });
        await workers();
        say((await memory.stats()).entries);
      },
      worker: async ({ memory, say }) => {
        const bytes = await memory.get('bytes');
        say(bytes.equals(Buffer.alloc(1e8, 'some bytes')));
        say((await memory.get('text')) === 'one-byte \u00e9 '.repeat(1e7));
        say((await memory.get('wide')) === '\u65e5\u672c'.repeat(2.5e7));
        const { text, list } = await memory.get('json');
        say(text === 'x'.repeat(1e8) && list.length === 3);
        for (const key of ['bytes', 'text', 'wide', 'json']) await memory.remove(key);
      },
    },
    { timeoutMs: 120_000 },
  );
  assert.deepEqual(said, [true, true, true, true, 0]);
});

test('stats tells entries, bytes, members and operations', async () => {
  const [stats, pid] = await run({
    primary: async ({ memory, workers }) => {
      memory.configure({ maxMemory: '64mb' });
      await memory.set('a', 'x'.repeat(10_000));
      await workers();
    },
    worker: async ({ memory, thread, say }) => {
      await memory.set('b', 1);
      await memory.get('a');
      say(await memory.stats());
      say([process.pid, process.ppid]);
      await thread();
    },
    thread: async ({ memory }) => {
      await memory.get('a');
    },
  });
  const names = [
    ...['entries', 'bytes', 'shards', 'namespaces', 'members', 'operations', 'latchWaits'],
    ...['repairs', 'name', 'host'],
  ];
  assert.deepEqual(Object.keys(stats).sort(), names.sort());
  assert.equal(stats.entries, 2);
  const { used, free, maximum } = stats.bytes;
  assert.ok(used >= 10_000 && free > 0 && used + free <= maximum, JSON.stringify(stats.bytes));
  assert.ok(stats.shards >= 1);
  const pids = stats.members.map((/** @type {any} */ member) => member.pid);
  assert.deepEqual(pids.sort(), pid.sort());
  assert.deepEqual(stats.members.map((/** @type {any} */ member) => member.self).sort(), [
    false,
    true,
  ]);
  for (const count of [stats.operations.reads, stats.operations.writes]) assert.ok(count >= 1);
  for (const count of [stats.latchWaits, stats.repairs]) assert.ok(count >= 0);
});
