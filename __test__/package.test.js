'use strict';

// The package as its users have it: packed, and installed into an empty folder without network and
// without Rust. Each test that damages the installed package does so in a copy.

const assert = require('node:assert/strict');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { after, before, describe, test } = require('node:test');
const { binaryName } = require('../lib/binding.js');
const { platforms } = require('../lib/platform.js');

const ROOT = path.join(__dirname, '..');
const NAME = 'cluster-shared-memory';
const PLATFORM = platforms()[0];
const BINARY = binaryName(PLATFORM);
const LIMIT = { timeout: 60_000 };
const TSC = path.join(path.dirname(require.resolve('typescript/package.json')), 'bin', 'tsc');

const NPM = findNpm();
const FOLDER = fs.mkdtempSync(path.join(os.tmpdir(), 'csm-package-'));
const TOOLS = path.join(FOLDER, 'tools');
const INSTALLED = path.join(FOLDER, 'installed');

/** @type {string[]} */
let packed = [];
let copies = 0;

/** @returns {string | undefined} the program of npm, if this Node can run it */
function findNpm() {
  const folders = (process.env.PATH ?? '').split(path.delimiter);
  const file = folders
    .map((folder) => path.join(folder, 'npm'))
    .find((each) => fs.existsSync(each));
  if (file === undefined) return undefined;
  const npm = fs.realpathSync(file);
  return spawnSync(process.execPath, [npm, '--version']).status === 0 ? npm : undefined;
}

/**
 * Runs Node with nothing but Node and a shell to be found.
 * @param {string[]} args
 * @param {string} cwd
 * @param {NodeJS.ProcessEnv} [env]
 */
function node(args, cwd, env) {
  const { status, stdout, stderr } = spawnSync(process.execPath, args, {
    cwd,
    encoding: 'utf8',
    env: { HOME: FOLDER, TMPDIR: FOLDER, PATH: TOOLS, ...env },
    timeout: LIMIT.timeout,
  });
  return { status, output: stdout, errors: stderr };
}

/** @type {(args: string[], cwd: string) => string} */
function npm(args, cwd) {
  const { status, output, errors } = node([String(NPM), ...args], cwd);
  assert.equal(status, 0, errors);
  return output;
}

/** @returns {{ folder: string, inside: (name: string) => string }} an installation to damage */
function copy() {
  copies += 1;
  const folder = path.join(FOLDER, `copy-${copies}`);
  fs.cpSync(INSTALLED, folder, { recursive: true });
  return { folder, inside: (name) => path.join(folder, 'node_modules', NAME, name) };
}

/** What a program sees that cannot load the addon. */
const CATCH = `try { require('${NAME}'); console.log('loaded'); }
  catch (error) { console.log(JSON.stringify({ code: error.code, message: error.message })); }`;

/**
 * @param {string} folder
 * @param {string} [pretence] code that runs first
 * @returns {{ code: string, message: string }}
 */
function failure(folder, pretence = '') {
  const { output } = node(['-e', `${pretence}; ${CATCH}`], folder);
  assert.notEqual(output.trim(), 'loaded');
  return JSON.parse(output);
}

/** @type {(platform: string, arch: string) => string} */
function pretend(platform, arch) {
  const values = Object.entries({ platform, arch });
  const lines = values.map(
    ([name, value]) => `Object.defineProperty(process, '${name}', { value: '${value}' })`,
  );
  return lines.join(';');
}

/** @type {(folder: string, pretence?: string) => { status: number | null, errors: string }} */
function runInstall(folder, pretence = '') {
  return node(['-e', `${pretence}; require('./node_modules/${NAME}/scripts/install.js')`], folder);
}

describe('the package', { skip: NPM === undefined && 'this Node runs no npm' }, () => {
  before(() => {
    fs.mkdirSync(TOOLS);
    fs.mkdirSync(INSTALLED);
    fs.symlinkSync(process.execPath, path.join(TOOLS, 'node'));
    fs.symlinkSync('/bin/sh', path.join(TOOLS, 'sh'));
    const [tarball] = JSON.parse(npm(['pack', '--json', '--pack-destination', FOLDER], ROOT));
    packed = tarball.files.map((/** @type {{ path: string }} */ file) => file.path);
    fs.writeFileSync(path.join(INSTALLED, 'package.json'), '{ "private": true }');
    const flags = ['--offline', '--no-audit', '--no-fund'];
    npm(['install', ...flags, path.join(FOLDER, tarball.filename)], INSTALLED);
  });

  after(() => fs.rmSync(FOLDER, { recursive: true }));

  test('holds the addon, the face, the sources, and nothing else', LIMIT, () => {
    for (const name of ['index.js', 'index.mjs', 'index.d.ts', 'index.d.mts', BINARY]) {
      assert.ok(packed.includes(name), name);
    }
    for (const name of ['Cargo.toml', 'Cargo.lock', 'build.rs', 'src/lib.rs', 'README.md']) {
      assert.ok(packed.includes(name), name);
    }
    const others = packed.filter((name) => !/^(src|lib)\//.test(name) && !name.endsWith('.node'));
    assert.ok(others.length <= 14, others.join(', '));
    assert.deepEqual(
      others.filter((name) => name.startsWith('scripts/')),
      ['scripts/install.js'],
    );
  });

  test('is there by require, by import, and by the old paths', LIMIT, () => {
    const { output, errors } = node(
      [
        '--input-type=module',
        '-e',
        `import memory, { get, set, sync } from '${NAME}';
         import { createRequire } from 'node:module';
         const require = createRequire(process.cwd() + '/x.js');
         const same = ['', '/src/shared-memory', '/src/shared-memory.js'];
         console.log(...same.map((path) => require('${NAME}' + path) === memory));
         await set('a', { b: 1 });
         console.log(await get('a'), sync.get('a'), require('${NAME}/package.json').name);`,
      ],
      INSTALLED,
    );
    assert.equal(output, `true true true\n{ b: 1 } { b: 1 } ${NAME}\n`, errors);
  });

  for (const [module, resolution] of [
    ['node16', 'node16'],
    ['esnext', 'bundler'],
  ]) {
    test(`has types in strict programs, resolved as ${resolution}`, LIMIT, () => {
      const { folder } = copy();
      const source = `
        import memory, { get, sync } from '${NAME}';
        import old from '${NAME}/src/shared-memory';
        const one: { name: string } | undefined = await get<{ name: string }>('user');
        const two: 'OK' = await old.set('user', one?.name);
        // @ts-expect-error It may be missing.
        const three: number = sync.get<number>('count');
        memory.logger = (problem: Error) => console.error(problem, two, three);`;
      fs.writeFileSync(path.join(folder, 'program.mts'), source);
      fs.writeFileSync(
        path.join(folder, 'program.cts'),
        `import memory = require('${NAME}');
         const user: string | undefined = memory.sync.get<string>('user');
         const error: memory.ErrorCode = 'ERR_BINARY_MISSING'; console.log(user, error);`,
      );
      const files = module === 'node16' ? ['program.mts', 'program.cts'] : ['program.mts'];
      const types = ['--types', 'node', '--typeRoots', path.join(ROOT, 'node_modules', '@types')];
      const options = ['--module', module, '--moduleResolution', resolution, '--target', 'es2022'];
      const { status, output } = node(
        [TSC, '--noEmit', '--strict', ...options, ...types, ...files],
        folder,
      );
      assert.equal(output, '');
      assert.equal(status, 0);
    });
  }

  test('says what it tried and what to do if the addon is away', LIMIT, () => {
    const { folder, inside } = copy();
    fs.rmSync(inside(BINARY));
    const { code, message } = failure(folder);
    assert.equal(code, 'ERR_BINARY_MISSING');
    assert.match(message, new RegExp(`^The addon of ${NAME} could not be loaded on ${PLATFORM}`));
    assert.ok(message.includes(`\n- ${BINARY}: not there\n`), message);
    assert.ok(message.includes(`\n- package ${NAME}-${PLATFORM}: not there\n`), message);
    assert.ok(message.includes(`run "npm rebuild ${NAME}"`), message);
  });

  test('passes on why the addon does not load', LIMIT, () => {
    const { folder, inside } = copy();
    fs.writeFileSync(inside(BINARY), 'no library');
    const { code, message } = failure(folder);
    assert.equal(code, 'ERR_BINARY_MISSING');
    assert.ok(message.includes(`\n- ${BINARY}: ${fs.realpathSync(inside(BINARY))}: `), message);
  });

  test('takes the addon from the package of the platform, of its own version only', LIMIT, () => {
    const { folder, inside } = copy();
    const { version } = require('../package.json');
    const other = path.join(folder, 'node_modules', `${NAME}-${PLATFORM}`);
    fs.mkdirSync(other);
    fs.renameSync(inside(BINARY), path.join(other, BINARY));
    const describe = (/** @type {string} */ version) =>
      fs.writeFileSync(
        path.join(other, 'package.json'),
        JSON.stringify({ name: path.basename(other), version, main: BINARY }),
      );
    describe(version);
    assert.equal(node(['-e', CATCH], folder).output, 'loaded\n');
    assert.deepEqual(runInstall(folder), { status: 0, output: '', errors: '' });
    describe('1.0.0');
    assert.match(failure(folder).message, /is of version 1\.0\.0, and this is /);
  });

  test('says how to start Node if it may load no addons', LIMIT, () => {
    const { output } = node(['--no-addons', '-e', CATCH], INSTALLED);
    const { code, message } = JSON.parse(output);
    assert.equal(code, 'ERR_BINARY_MISSING');
    assert.match(message, /start it with --allow-addons, or without --no-addons\.$/);
  });

  test('looks for the build for musl in a program that runs on musl', LIMIT, () => {
    const pretence = `const fs = require('node:fs'), read = fs.readFileSync;
      fs.readFileSync = (file, ...rest) => file !== '/proc/self/maps' ? read(file, ...rest) :
        '7f00-7f01 r-xp 00000000 fe:01 1 /lib/ld-musl-x86_64.so.1\\n7f02-7f03 rw-p 0 00:00 0\\n'`;
    const musl = `linux-${process.arch}-musl`;
    const { message } = failure(INSTALLED, pretence);
    assert.ok(message.includes(`on ${musl}. Tried:\n- ${binaryName(musl)}: not there\n`), message);
  });

  test('can be installed for writing programs where it cannot run', LIMIT, () => {
    const pretence = pretend('darwin', 'arm64');
    assert.deepEqual(runInstall(INSTALLED, pretence), {
      status: 0,
      output: '',
      errors:
        `${NAME}: does not work on darwin-arm64: require() will throw. It works on Linux, x64 or ` +
        'arm64, with glibc 2.17 or newer or musl.\n',
    });
    const { code, message } = failure(INSTALLED, pretence);
    assert.equal(code, 'ERR_BINARY_MISSING');
    assert.match(message, /^cluster-shared-memory does not work on darwin-arm64; /);
  });

  test('fails to be installed on a Linux that it does not know', LIMIT, () => {
    const { status, errors } = runInstall(INSTALLED, pretend('linux', 'riscv64'));
    assert.equal(status, 1);
    assert.match(errors, /^cluster-shared-memory: does not work on linux-riscv64: .*\n$/);
  });

  test('fails to be installed in one line without an addon and without cargo', LIMIT, () => {
    const { folder, inside } = copy();
    fs.rmSync(inside(BINARY));
    const { status, errors } = runInstall(folder);
    assert.equal(status, 1);
    assert.equal(
      errors,
      `${NAME}: no addon for ${PLATFORM} could be loaded (none is there), and there is no cargo to ` +
        'build one; install Rust 1.88 or newer and a C linker, then run "npm rebuild ' +
        `${NAME}".\n`,
    );
  });

  test('leaves a checkout alone when it is installed there', LIMIT, () => {
    const { folder, inside } = copy();
    fs.rmSync(inside(BINARY));
    fs.writeFileSync(inside('scripts/setup.js'), '');
    assert.deepEqual(runInstall(folder), { status: 0, output: '', errors: '' });
  });

  const skip = !process.env.PACKAGE_BUILD && 'takes minutes; set PACKAGE_BUILD=1';
  test('is built from its sources where there is cargo', { skip, timeout: 900_000 }, () => {
    const { folder, inside } = copy();
    fs.rmSync(inside(BINARY));
    const { HOME, PATH } = process.env;
    const { status, stderr } = spawnSync(process.execPath, [inside('scripts/install.js')], {
      encoding: 'utf8',
      env: { HOME, PATH, TMPDIR: FOLDER },
    });
    assert.equal(status, 0, stderr);
    assert.equal(node(['-e', CATCH], folder).output, 'loaded\n');
    assert.ok(!fs.readdirSync(inside('.')).includes('target'));
    assert.deepEqual(
      fs.readdirSync(FOLDER).filter((name) => name.startsWith(`${NAME}-`) && !name.includes('.')),
      [],
    );
  });
});
