'use strict';

const assert = require('node:assert/strict');
const { test } = require('node:test');
const { defaultMaximum, parseMaximum } = require('../lib/config.js');
const { usableMemory } = require('../lib/limits.js');
const { run, runNode } = require('./helpers.js');

const MIB = 2 ** 20;

test('a size is a number of bytes or a text with a unit of 1024', () => {
  const sizes = /** @type {Array<[number | string, number]>} */ ([
    [16 * MIB, 16 * MIB],
    [8 * 2 ** 40, 8 * 2 ** 40],
    ['16777216', 16 * MIB],
    ['16777217b', 16 * MIB + 1],
    ['65536kb', 64 * MIB],
    ['512mb', 512 * MIB],
    ['512MB', 512 * MIB],
    ['512 MiB', 512 * MIB],
    [' 512m ', 512 * MIB],
    ['2gb', 2048 * MIB],
    ['1.5GiB', 1536 * MIB],
    ['1t', 2 ** 40],
    ['8TiB', 8 * 2 ** 40],
  ]);
  for (const [size, bytes] of sizes) assert.equal(parseMaximum(size, 'size'), bytes);
});

test('a wrong size is an error that says what is right', () => {
  const wrong = /** @type {Array<[unknown, string, string]>} */ ([
    [true, 'TypeError', 'ERR_INVALID_ARG_TYPE'],
    [null, 'TypeError', 'ERR_INVALID_ARG_TYPE'],
    [512n, 'TypeError', 'ERR_INVALID_ARG_TYPE'],
    ['', 'TypeError', 'ERR_INVALID_ARG_VALUE'],
    ['much', 'TypeError', 'ERR_INVALID_ARG_VALUE'],
    ['512 xb', 'TypeError', 'ERR_INVALID_ARG_VALUE'],
    ['-1gb', 'TypeError', 'ERR_INVALID_ARG_VALUE'],
    ['1e9', 'TypeError', 'ERR_INVALID_ARG_VALUE'],
    ['15mb', 'RangeError', 'ERR_OUT_OF_RANGE'],
    ['9tb', 'RangeError', 'ERR_OUT_OF_RANGE'],
    [0, 'RangeError', 'ERR_OUT_OF_RANGE'],
    [16 * MIB - 1, 'RangeError', 'ERR_OUT_OF_RANGE'],
    [16 * MIB + 0.5, 'RangeError', 'ERR_OUT_OF_RANGE'],
    [Number.NaN, 'RangeError', 'ERR_OUT_OF_RANGE'],
    [Number.POSITIVE_INFINITY, 'RangeError', 'ERR_OUT_OF_RANGE'],
  ]);
  for (const [size, name, code] of wrong) {
    assert.throws(() => parseMaximum(size, 'size'), { name, code, message: /^The size / });
  }
});

test('the usable memory is the least of the machine and every limit that is known', () => {
  const total = 1000;
  const none = () => {
    throw new Error('no such file');
  };
  assert.equal(usableMemory({ total, constrained: 0, read: none }), 1000);
  assert.equal(usableMemory({ total, constrained: 700, read: none }), 700);
  assert.equal(usableMemory({ total, constrained: 2 ** 64, read: none }), 1000);
  const files = /** @type {Record<string, string>} */ ({
    '/proc/self/cgroup': '3:cpu,memory:/old\n0::/new\n',
    '/sys/fs/cgroup/memory.max': 'max\n',
  });
  const read = (/** @type {string} */ path) => files[path] ?? none();
  assert.equal(usableMemory({ total, constrained: 700, read }), 700);
  files['/sys/fs/cgroup/memory.max'] = '600\n';
  assert.equal(usableMemory({ total, constrained: 700, read }), 600);
  files['/sys/fs/cgroup/memory/memory.limit_in_bytes'] = '500\n';
  assert.equal(usableMemory({ total, constrained: 700, read }), 500);
  files['/sys/fs/cgroup/new/memory.max'] = '400\n';
  assert.equal(usableMemory({ total, constrained: 700, read }), 400);
  files['/sys/fs/cgroup/memory/old/memory.limit_in_bytes'] = '300\n';
  assert.equal(usableMemory({ total, constrained: 700, read }), 300);
});

test('the default maximum is the variable, or a quarter of the usable memory', () => {
  assert.equal(defaultMaximum({ CLUSTER_SHARED_MEMORY_MAX: '1gb' }), 1024 * MIB);
  const quarter = Math.max(Math.floor(usableMemory() / 4), 16 * MIB);
  assert.equal(defaultMaximum({}), quarter);
  assert.equal(defaultMaximum({ CLUSTER_SHARED_MEMORY_MAX: '' }), quarter);
});

test('configure sets the maximum that stats tells in every process', async () => {
  const said = await run({
    primary: async ({ memory, workers, say }) => {
      memory.configure({ maxMemory: '32mb' });
      memory.configure({ maxMemory: '64mb' });
      await workers();
      say((await memory.stats()).bytes.maximum);
    },
    worker: async ({ memory, say }) => {
      say((await memory.stats()).bytes.maximum);
    },
  });
  const [worker, primary] = said;
  assert.equal(worker, primary);
  assert.ok(worker > 48 * MIB && worker <= 64 * MIB, `${worker} bytes`);
});

test('CLUSTER_SHARED_MEMORY_MAX sets the maximum, and configure overrides it', async () => {
  const env = { CLUSTER_SHARED_MEMORY_MAX: '32mb' };
  const [byVariable] = await run(
    { primary: async ({ memory, say }) => say((await memory.stats()).bytes.maximum) },
    { env },
  );
  assert.ok(byVariable > 24 * MIB && byVariable <= 32 * MIB, `${byVariable} bytes`);
  const [byCall] = await run(
    {
      primary: async ({ memory, say }) => {
        memory.configure({ maxMemory: '64mb' });
        say((await memory.stats()).bytes.maximum);
      },
    },
    { env },
  );
  assert.ok(byCall > 48 * MIB && byCall <= 64 * MIB, `${byCall} bytes`);
});

test('a wrong CLUSTER_SHARED_MEMORY_MAX fails when the package is loaded', async () => {
  const env = { CLUSTER_SHARED_MEMORY_MAX: 'lots' };
  await assert.rejects(
    runNode(['-e', "require('./index.js')"], { env }),
    /environment variable CLUSTER_SHARED_MEMORY_MAX must be .* Received 'lots'/,
  );
});

test('maxMemory comes too late after the first operation, and in a worker', async () => {
  const said = await run({
    primary: async ({ memory, workers, say, failure }) => {
      await memory.set('a', 1);
      say((await failure(() => memory.configure({ maxMemory: '17mb' }))).code);
      await workers();
    },
    worker: async ({ memory, say, failure }) => {
      say((await failure(() => memory.configure({ maxMemory: '17mb' }))).code);
    },
  });
  assert.deepEqual(said, ['ERR_ALREADY_OPEN', 'ERR_ALREADY_OPEN']);
});

test('wrong options are errors, and then nothing is set', async () => {
  const memory = require('../index.js');
  const wrong = /** @type {Array<[any, string]>} */ ([
    [undefined, 'ERR_INVALID_ARG_TYPE'],
    [null, 'ERR_INVALID_ARG_TYPE'],
    ['512mb', 'ERR_INVALID_ARG_TYPE'],
    [{ max: 1 }, 'ERR_INVALID_ARG_VALUE'],
    [{ mode: 'xml' }, 'ERR_INVALID_ARG_VALUE'],
    [{ mode: null }, 'ERR_INVALID_ARG_VALUE'],
    [{ maxMemory: 'a lot', mode: 'advanced' }, 'ERR_INVALID_ARG_VALUE'],
    [{ maxMemory: 1, mode: 'advanced' }, 'ERR_OUT_OF_RANGE'],
  ]);
  for (const [options, code] of wrong) assert.throws(() => memory.configure(options), { code });
  memory.configure({});
  await memory.set('a', { at: new Date(0) });
  assert.deepEqual(await memory.get('a'), { at: '1970-01-01T00:00:00.000Z' });
});

test('a mode that the primary chooses before the first operation is that of all processes', async () => {
  const said = await run({
    primary: async ({ memory, workers }) => {
      memory.configure({ mode: 'advanced' });
      await workers();
    },
    worker: async ({ memory, say, thread }) => {
      await memory.set('a', { at: new Date(0) });
      say((await memory.get('a')).at instanceof Date);
      await thread();
    },
    thread: async ({ memory, say }) => {
      memory.sync.set('b', { at: new Date(0) });
      say((await memory.get('b')).at instanceof Date);
    },
  });
  assert.deepEqual(said, [true, true]);
});
