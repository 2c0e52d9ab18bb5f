'use strict';

// More than one copy of the package in a process: in two folders, or loaded again by a test runner.

const assert = require('node:assert/strict');
const { after, before, test } = require('node:test');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { runNode } = require('./helpers.js');

const ROOT = path.join(__dirname, '..');
const TIMEOUT = { timeout: 60_000 };

let folder = '';

before(() => {
  folder = fs.mkdtempSync(path.join(os.tmpdir(), 'cluster-shared-memory-'));
  const isOfThePackage = (/** @type {string} */ name) =>
    /^index\.m?js$|^(lib|package\.json|binding\.js)$|\.node$/.test(name);
  for (const name of fs.readdirSync(ROOT).filter(isOfThePackage)) {
    fs.cpSync(path.join(ROOT, name), path.join(folder, name), { recursive: true });
  }
});

after(() => fs.rmSync(folder, { recursive: true }));

/**
 * Runs a program that has one copy as `ours`, the other as `theirs`; neither is loaded before it is
 * mentioned.
 * @param {string} program
 */
async function runWithBoth(program) {
  const file = path.join(folder, 'program.js');
  fs.writeFileSync(
    file,
    `const assert = require('node:assert/strict');
     const cluster = require('node:cluster');
     const copies = {
       get ours() { return require(${JSON.stringify(ROOT)}); },
       get theirs() { return require('./index.js'); },
     };
     (async () => { ${program} })();`,
  );
  return runNode([file]);
}

test('two copies in one process share the store', TIMEOUT, async () => {
  const { output } = await runWithBoth(`
    const { ours, theirs } = copies;
    assert.notEqual(ours, theirs);
    // A listener keeps no process alive.
    const alive = setInterval(() => {}, 1000);
    const heard = [];
    const heardTwo = new Promise((resolve) => {
      theirs.listen('a', (value) => heard.push(value) === 2 && resolve());
    });
    await ours.set('a', { b: 1 });
    assert.deepEqual(await theirs.get('a'), { b: 1 });
    await theirs.set('a', 2);
    assert.equal(ours.sync.get('a'), 2);
    await heardTwo;
    clearInterval(alive);
    assert.deepEqual(heard, [{ b: 1 }, 2]);
    const waits = theirs.getLock('lock');
    assert.equal(await ours.releaseLock('lock', await waits), 'OK');
    await ours.setLRU('a', 1);
    assert.equal(await theirs.getLRU('a'), 1);
    assert.equal((await ours.stats()).members.length, 2);
    await ours.close();
    assert.equal(await theirs.get('a'), 2);
    console.log('done');`);
  assert.equal(output, 'done\n');
});

test(
  'a worker that has one copy shares the store of a primary that has the other',
  TIMEOUT,
  async () => {
    const { output } = await runWithBoth(`
    if (cluster.isPrimary) {
      await copies.ours.set('a', 1);
      cluster.fork().on('exit', async () => console.log(await copies.ours.get('b')));
    } else {
      await copies.theirs.set('b', 1 + await copies.theirs.get('a'));
      cluster.worker.disconnect();
    }`);
    assert.equal(output, '2\n');
  },
);

test('the copy that came second cannot configure what the first has', TIMEOUT, async () => {
  const { output } = await runWithBoth(`
    copies.ours.configure({ maxMemory: '32mb' });
    try { copies.theirs.configure({ maxMemory: '64mb' }); } catch ({ code }) { console.log(code); }
    console.log((await copies.theirs.stats()).bytes.maximum <= 32 * 2 ** 20);`);
  assert.equal(output, 'ERR_ALREADY_OPEN\ntrue\n');
});

// As jest.resetModules() does, or the watcher of a development server.
const RESET = `
  const again = () => {
    for (const file of Object.keys(require.cache)) delete require.cache[file];
    return require('cluster-shared-memory');
  };`;

test('modules that are loaded again share the store with the former ones', TIMEOUT, async () => {
  const { output, errors } = await runNode([
    '-e',
    `const first = require('cluster-shared-memory');
     ${RESET}
     (async () => {
       await first.set('a', 1);
       for (let i = 0; i < 20; i += 1) {
         const memory = again();
         memory.listen('a', () => {});
         await memory.mutex('lock', () => memory.incr('a'));
       }
       console.log(again() !== first, await first.get('a'));
     })();`,
  ]);
  assert.equal(output, 'true 21\n');
  assert.equal(errors, '', 'no warning of a leak');
});

test('a copy that is closed gives its place back', TIMEOUT, async () => {
  const { output } = await runNode([
    '-e',
    `const first = require('cluster-shared-memory');
     ${RESET}
     (async () => {
       for (let i = 0; i < 20; i += 1) {
         const memory = again();
         await memory.set('a', i);
         await memory.close();
       }
       console.log((await first.stats()).members.length, await first.get('a'));
     })();`,
  ]);
  assert.equal(output, '1 19\n');
});

test('in a context of its own, as test runners make them, the package works', TIMEOUT, async () => {
  const { output } = await runNode([
    '-e',
    `const fs = require('node:fs');
     const path = require('node:path');
     const vm = require('node:vm');
     const context = vm.createContext({ process, console, Buffer, queueMicrotask, performance });
     const modules = new Map();
     const load = (file) => {
       if (!file.endsWith('.js')) return require(file);
       if (modules.has(file)) return modules.get(file).exports;
       const module = { exports: {} };
       modules.set(file, module);
       const inner = (name) =>
         name.startsWith('.') ? load(require.resolve(path.join(path.dirname(file), name))) : require(name);
       const source = fs.readFileSync(file, 'utf8');
       const wrapper = '(function (exports, require, module, __filename, __dirname) {' + source + '\\n})';
       vm.runInContext(wrapper, context)(module.exports, inner, module, file, path.dirname(file));
       return module.exports;
     };
     const memory = load(require.resolve('cluster-shared-memory'));
     const outer = require('cluster-shared-memory');
     (async () => {
       // A listener keeps no process alive.
       const alive = setInterval(() => {}, 1000);
       const heard = new Promise((resolve) => memory.listen('a', resolve));
       await outer.set('a', { b: [1] });
       console.log(JSON.stringify([await memory.get('a'), await heard]));
       clearInterval(alive);
       memory.configure({ mode: 'advanced' });
       await memory.set('a', new Map([[1, Buffer.from('x')]]));
       console.log((await outer.get('a')).get(1) instanceof Uint8Array);
       memory.sync.set('a', new Uint8Array([7]));
       console.log(outer.sync.get('a')[0], await memory.mutex('lock', () => 'locked'));
       await memory.get({}).catch((error) => console.log(error.code));
       console.log((await memory.stats()).members.length);
     })();`,
  ]);
  assert.equal(output, '[{"b":[1]},{"b":[1]}]\ntrue\n7 locked\nERR_INVALID_ARG_TYPE\n2\n');
});
