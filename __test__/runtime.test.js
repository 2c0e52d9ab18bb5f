'use strict';

// Ways to run Node that a native addon may not survive: without addons, with frozen intrinsics, from
// a snapshot, under hooks and limits.

const assert = require('node:assert/strict');
const { test } = require('node:test');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { run, runNode } = require('./helpers.js');

const TIMEOUT = { timeout: 60_000 };
const MAJOR = Number(process.versions.node.split('.')[0]);
const PERMISSION = MAJOR < 22 ? '--experimental-permission' : '--permission';

const USE = `
  const memory = require('cluster-shared-memory');
  memory.listen('a', () => {});
  (async () => {
    await memory.set('a', { b: 1 });
    const { b } = await memory.mutex('lock', () => memory.get('a'));
    await memory.setLRU('a', b);
    console.log(memory.sync.get('a').b, await memory.getLRU('a'));
  })();`;

const LOAD = `
  try {
    require('cluster-shared-memory');
  } catch ({ name, code, message, cause }) {
    console.log(JSON.stringify({ name, code, message, cause: cause?.code }));
  }`;

for (const flag of [
  '--frozen-intrinsics',
  '--disallow-code-generation-from-strings',
  '--jitless',
]) {
  test(`the package works with ${flag}`, TIMEOUT, async () => {
    const { output } = await runNode([flag, '-e', USE]);
    assert.match(output, /^1 1$/m);
  });
}

test(
  'the package works with --frozen-intrinsics in NODE_OPTIONS of a cluster',
  TIMEOUT,
  async () => {
    const said = await run(
      {
        primary: async ({ memory, workers, say }) => {
          await memory.set('a', 1);
          await workers();
          say(await memory.get('a'));
        },
        worker: async ({ memory }) => {
          await memory.incr('a');
        },
      },
      { env: { NODE_OPTIONS: '--frozen-intrinsics' } },
    );
    assert.deepEqual(said, [2]);
  },
);

test(
  'where addons are not allowed, loading fails with a code and says what to do',
  TIMEOUT,
  async () => {
    const { output } = await runNode(['--no-addons', '-e', LOAD]);
    const { name, code, message, cause } = JSON.parse(output);
    assert.deepEqual([name, code], ['SharedMemoryError', 'ERR_BINARY_MISSING']);
    assert.match(message, /--no-addons/);
    assert.equal(cause, 'ERR_DLOPEN_DISABLED');
  },
);

test('with permissions, the package needs --allow-addons, and says so', {
  ...TIMEOUT,
  skip: MAJOR < 20 && 'Node 18 has no permissions',
}, async () => {
  const { output } = await runNode([PERMISSION, '--allow-fs-read=*', '-e', LOAD]);
  const { code, message } = JSON.parse(output);
  assert.equal(code, 'ERR_BINARY_MISSING');
  assert.match(message, /--allow-addons/);
  const flags = [PERMISSION, '--allow-fs-read=*', '--allow-addons'];
  assert.equal((await runNode([...flags, '-e', USE])).output, '1 1\n');
});

test('what starts from a snapshot can load the package, which none can hold', {
  ...TIMEOUT,
  skip: MAJOR < 20 && 'Node 18 cannot store what node:cluster and others have in memory',
}, async () => {
  const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cluster-shared-memory-'));
  /** @param {string} program */
  const snapshot = async (program) => {
    const [entry, blob] = ['entry.js', 'snapshot.blob'].map((name) => path.join(folder, name));
    fs.writeFileSync(entry, program);
    const { output } = await runNode(['--snapshot-blob', blob, '--build-snapshot', entry]);
    return { blob, output };
  };
  // There, a program can require at first only what is built in.
  const within = (/** @type {string} */ program) =>
    `((require) => {${program}})(require('node:module').createRequire(${JSON.stringify(__filename)}));`;
  try {
    const { code, message } = JSON.parse((await snapshot(within(LOAD))).output);
    assert.equal(code, 'ERR_BINARY_MISSING');
    assert.match(message, /snapshot/);
    const { blob } = await snapshot(
      `require('node:v8').startupSnapshot.setDeserializeMainFunction(() => {${within(USE)}});`,
    );
    assert.equal((await runNode(['--snapshot-blob', blob, 'main.js'])).output, '1 1\n');
  } finally {
    fs.rmSync(folder, { recursive: true });
  }
});

test('under hooks of the loader, import and require give the same object', TIMEOUT, async () => {
  // The hooks give sources for CommonJS too, so that its files are loaded by other ways of Node.
  const hooks = `
    import { readFileSync } from 'node:fs';
    import { fileURLToPath } from 'node:url';
    export async function load(url, context, next) {
      const loaded = await next(url, context);
      if (loaded.format !== 'commonjs' || loaded.source) return loaded;
      return { ...loaded, source: readFileSync(fileURLToPath(url), 'utf8') };
    }`;
  const register = `
    import { register } from 'node:module';
    register(${JSON.stringify(dataUrl(hooks))});`;
  const { output } = await runNode([
    '--no-deprecation',
    '--import',
    dataUrl(register),
    '--input-type=module',
    '-e',
    `import { createRequire } from 'node:module';
     import memory, { set, get } from 'cluster-shared-memory';
     await set('a', 1);
     const required = createRequire(${JSON.stringify(__filename)})('cluster-shared-memory');
     console.log(await get('a'), memory.sync.get('a'), await required.get('a'));`,
  ]);
  assert.equal(output, '1 1 1\n');
});

test(
  'a thread that runs out of its memory lets go of its lock, and disturbs nobody',
  TIMEOUT,
  async () => {
    const said = await run({
      primary: async ({ memory, until, say }) => {
        const { Worker } = require('node:worker_threads');
        const resourceLimits = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 2 };
        // Not in a promise's turn: there Node 24 and 26 may collect garbage for ever and not end it.
        const program = `
        const memory = require(${JSON.stringify(process.argv[1].replace('program.js', '../index.js'))});
        memory.getLock('lock');
        memory.sync.set('locked', 'x'.repeat(1000));
        for (const all = []; ; ) all.push(memory.sync.get('locked') + all.length);`;
        const thread = new Worker(program, { eval: true, resourceLimits });
        const error = new Promise((resolve) => thread.once('error', resolve));
        await until(() => memory.has('locked'));
        const id = await memory.getLock('lock');
        say((await error).code);
        say(await memory.releaseLock('lock', id));
        say((await memory.stats()).members.length);
      },
    });
    assert.deepEqual(said, ['ERR_WORKER_OUT_OF_MEMORY', 'OK', 1]);
  },
);

test(
  'a thread with an environment of its own, and none of its flags, shares the store',
  TIMEOUT,
  async () => {
    const said = await run({
      primary: async ({ memory, workers, say }) => {
        await memory.set('a', 1);
        await workers();
        say(await memory.get('a'));
      },
      worker: async () => {
        const { Worker } = require('node:worker_threads');
        const { once } = require('node:events');
        const program = `
        const memory = require(${JSON.stringify(process.argv[1].replace('program.js', '../index.js'))});
        memory.incr('a');`;
        const thread = new Worker(program, { eval: true, env: {}, execArgv: [], argv: [] });
        await once(thread, 'exit');
      },
    });
    assert.deepEqual(said, [2]);
  },
);

/** @param {string} source */
function dataUrl(source) {
  return `data:text/javascript,${encodeURIComponent(source)}`;
}
