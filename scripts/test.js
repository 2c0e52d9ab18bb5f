'use strict';

// Runs all tests, the Rust ones first; `npm test -- rust` and `npm test -- js` run one half.
// Goes on after a failed section, so that one run shows everything.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const JS_TESTS = '__test__';

// With other flags, so in a folder of its own: each would throw the other's builds away.
const LOOM =
  'cargo test --profile checked --no-default-features --test loom --target-dir target/loom'.split(
    ' ',
  );

const SECTIONS = [
  { half: 'rust', command: ['cargo', 'test', '--profile', 'checked', '--features', 'faults'] },
  { half: 'rust', command: LOOM, env: { RUSTFLAGS: '--cfg shm_loom' } },
  { half: 'js', command: [process.execPath, '--test', ...testFiles()] },
];

// Named one by one, since versions of Node differ in what a folder means to --test.
function testFiles() {
  const names = fs.readdirSync(path.join(ROOT, JS_TESTS)).sort();
  return names.filter((name) => name.endsWith('.test.js')).map((name) => `${JS_TESTS}/${name}`);
}

function main() {
  const half = process.argv[2];
  const chosen = SECTIONS.filter((section) => half === undefined || section.half === half);
  if (chosen.length === 0) throw new Error(`There are rust and js tests, no "${half}" tests.`);
  const failed = chosen.filter(({ half, command, env }) => {
    const [program, ...args] = command;
    console.log(`\n== ${half} tests: ${path.basename(program)} ${args.join(' ')}\n`);
    const options = {
      cwd: ROOT,
      env: { ...process.env, ...env },
      stdio: /** @type {const} */ ('inherit'),
    };
    return spawnSync(program, args, options).status !== 0;
  });
  console.log(
    failed.length === 0
      ? '\n== all tests passed'
      : `\n== failed: ${failed.map((section) => section.half).join(', ')}`,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
}

main();
