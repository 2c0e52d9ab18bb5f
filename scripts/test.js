'use strict';

// Runs all tests, the Rust ones first; `npm test -- rust` and `npm test -- js` run one half.
// Goes on after a failed section, so that one run shows everything.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');

const ROOT = path.join(__dirname, '..');
const JS_TESTS = '__test__';

const SECTIONS = [
  { half: 'rust', command: ['cargo', 'test', '--release', '--features', 'faults'] },
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
  const failed = chosen.filter(({ half, command }) => {
    const [program, ...args] = command;
    console.log(`\n== ${half} tests: ${path.basename(program)} ${args.join(' ')}\n`);
    return spawnSync(program, args, { cwd: ROOT, stdio: 'inherit' }).status !== 0;
  });
  console.log(
    failed.length === 0
      ? '\n== all tests passed'
      : `\n== failed: ${failed.map((section) => section.half).join(', ')}`,
  );
  process.exitCode = failed.length === 0 ? 0 : 1;
}

main();
