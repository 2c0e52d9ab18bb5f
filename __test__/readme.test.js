'use strict';

// The texts for people: each program in them is run, each command exists, each link leads somewhere.
// A block that is not run says why, in a comment before it.

const assert = require('node:assert/strict');
const { after, test } = require('node:test');
const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { runNode } = require('./helpers.js');
const { anchorsOf, blocksOf, expectedOf, linksOf, wordsOf } = require('./markdown.js');
const manifest = require('../package.json');

/** @typedef {import('./markdown.js').Block} Block */

const ROOT = path.join(__dirname, '..');
const TEXTS = ['README.md', 'CONTRIBUTING.md', 'CHANGELOG.md', 'docs/design.md'];
const PREAMBLE = `import memory from '${manifest.name}';\n`;
const TIMEOUT = { timeout: 60_000 };

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'texts-'));
fs.mkdirSync(path.join(folder, 'node_modules'));
fs.symlinkSync(ROOT, path.join(folder, 'node_modules', manifest.name));
after(() => fs.rmSync(folder, { recursive: true }));

/** @param {string} name */
const read = (name) => fs.readFileSync(path.join(ROOT, name), 'utf8');

/** @param {string} code */
function write(code, name = 'program') {
  const file = path.join(folder, name);
  fs.writeFileSync(file, code);
  return file;
}

/** Runs a program as a user would, beside an installed package. @type {(block: Block) => Promise<void>} */
async function runProgram(block) {
  const isCommon = block.code.includes(`require('${manifest.name}')`);
  const hasImport = block.code.includes(`from '${manifest.name}'`);
  const code = (isCommon || hasImport ? '' : PREAMBLE) + block.code;
  const file = write(code, isCommon ? 'program.cjs' : 'program.mjs');
  const { output, errors } = await runNode([file], { cwd: folder, timeoutMs: 30_000 });
  const printed = Buffer.from(output, 'latin1').toString('utf8').split('\n').slice(0, -1);
  assert.deepEqual(printed, expectedOf(block));
  assert.equal(errors, '');
}

/** Checks types as a strict user's compiler does. @type {(block: Block) => Promise<void>} */
async function checkTypes({ code }) {
  const file = write(code, 'types.mts');
  const types = path.join(ROOT, 'node_modules/@types');
  const options = ['--strict', '--noEmit', '--module', 'nodenext', '--target', 'es2022'];
  const compiler = path.join(ROOT, 'node_modules/typescript/bin/tsc');
  const args = [compiler, ...options, '--typeRoots', types, '--types', 'node', file];
  const { status, stdout } = spawnSync(process.execPath, args, { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 0, stdout);
}

/** @param {string} file */
const exists = (file) => fs.existsSync(path.join(ROOT, file));

/** Each command that texts may name, and how to tell that there is such a thing. @type {Record<string, (args: string[]) => void>} */
const COMMANDS = {
  cargo: ([, ...args]) => {
    const option = (/** @type {string} */ name) => args[args.indexOf(name) + 1];
    if (args.includes('--features'))
      assert.match(read('Cargo.toml'), feature(option('--features')));
    if (!args.includes('--test')) return;
    const name = option('--test');
    assert.ok(exists(`tests/${name}.rs`) || exists(`tests/${name}/main.rs`), `tests/${name}`);
  },
  cd: () => {},
  git: ([command]) => assert.equal(command, 'clone'),
  node: (args) => {
    const file = args.find((each) => !each.startsWith('-')) ?? 'no file';
    assert.ok(exists(file), file);
  },
  npm: ([command, script]) => {
    if (command === 'install') assert.equal(script, manifest.name);
    else if (command === 'run') assertScript(script);
    else if (command !== 'ci') assertScript(command);
  },
};

/** @param {string} name */
const feature = (name) => new RegExp(`^${name} = \\[`, 'm');

/** @param {string} name */
function assertScript(name) {
  assert.ok(Object.hasOwn(manifest.scripts, name), `package.json has no script "${name}"`);
}

/** @param {string} line */
function checkCommand(line) {
  const words = line
    .replace(/#.*$/, '')
    .replace(/"[^"]*"/g, 'text')
    .trim()
    .split(/\s+/);
  while (/^[A-Z_]+=/.test(words[0])) words.shift();
  const [program, ...args] = words;
  assert.ok(Object.hasOwn(COMMANDS, program), `an unknown command: ${line}`);
  COMMANDS[program](args);
}

/** @type {(block: Block) => Promise<void>} */
async function checkCommands({ code }) {
  for (const line of code.split('\n').filter((each) => each !== '')) checkCommand(line);
}

/** What is done with the blocks of each language. @type {Record<string, (block: Block) => Promise<void>>} */
const KINDS = { js: runProgram, ts: checkTypes, sh: checkCommands };

for (const name of TEXTS) {
  for (const block of blocksOf(read(name))) {
    const { language, line, skip } = block;
    const title = `${name}, line ${line}: the block of ${language || 'nothing'} is true`;
    test(title, { ...TIMEOUT, skip }, async () => {
      assert.ok(Object.hasOwn(KINDS, language), `blocks of "${language}" are not run, nor say why`);
      await KINDS[language](block);
    });
  }

  test(`${name}: every link leads somewhere`, TIMEOUT, () => {
    const here = path.dirname(name);
    for (const link of linksOf(read(name)).filter((each) => !/^https?:/.test(each))) {
      const [file, anchor] = link.split('#');
      const target = file === '' ? name : path.join(here, file);
      assert.ok(exists(target), link);
      if (anchor) assert.ok(anchorsOf(read(target)).includes(anchor), link);
    }
  });

  test(`${name}: every file and command that it names exists`, TIMEOUT, () => {
    for (const word of wordsOf(read(name))) {
      if (/^(?:src|lib|tests|__test__|bench|soak|scripts|docs|examples)\/[\w./-]*$/.test(word)) {
        assert.ok(exists(word), word);
      }
      if (
        /^(?:[A-Z_]+=\S+ )*(?:"[^"]*" )?(?:npm (?:run|test|start|ci)|cargo (?:test|run))\b/.test(
          word,
        )
      ) {
        checkCommand(word);
      }
    }
  });
}

test('a block that prints without saying what, or that nobody can run, is noticed', () => {
  const silent = '```js\nconsole.log(1);\n```\n';
  assert.throws(() => expectedOf(blocksOf(silent)[0]), /nobody says what this prints/);
  assert.throws(() => blocksOf('```js\nhalf'), /without an end/);
  assert.throws(() => checkCommand('npm run no-such-script'), /no script/);
  assert.throws(() => checkCommand('rm -rf /'), /unknown command/);
  const [block] = blocksOf('<!-- not run: why -->\n```sh\nx\n```\n\n```text\nout\n```\n');
  assert.deepEqual([block.skip, block.output], ['why', 'out']);
});
