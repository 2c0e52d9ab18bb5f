'use strict';

// Builds the addon as it is released: without debug information, and for a glibc so old that every
// Linux with a Node of today has it. zig brings the C libraries to link with, so that one machine
// builds for all of them. The files come to lie where `npm pack` and the loader find them.
//
//     npm run build:release                                         for this machine
//     npm run build:release -- --target aarch64-unknown-linux-musl  for others, or --target all
//
// Needs, besides Rust and its library for the target: pip install -r scripts/release.txt; and objdump.

const { execFileSync, spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { binaryName } = require('../lib/binding.js');
const { platforms } = require('../lib/platform.js');

const ROOT = path.join(__dirname, '..');
const LIBRARY = 'libcluster_shared_memory.so';
const OLDEST_GLIBC = '2.17';

/** @type {Record<string, string>} */
const PLATFORMS = {
  'x86_64-unknown-linux-gnu': 'linux-x64-gnu',
  'aarch64-unknown-linux-gnu': 'linux-arm64-gnu',
  'x86_64-unknown-linux-musl': 'linux-x64-musl',
  'aarch64-unknown-linux-musl': 'linux-arm64-musl',
};

function main() {
  for (const target of targets()) {
    const file = path.join(ROOT, binaryName(PLATFORMS[target]));
    fs.copyFileSync(build(target), file);
    const glibc = glibcOf(file);
    const needs = glibc === undefined ? 'no glibc' : `glibc ${glibc} or newer`;
    const kilobytes = Math.round(fs.statSync(file).size / 1000);
    console.log(`release: ${path.basename(file)}: ${kilobytes} kB, needs ${needs}`);
    const allowed = target.endsWith('gnu') ? OLDEST_GLIBC : '0';
    if (compare(glibc ?? '0', allowed) > 0) throw new Error(`that is newer than ${allowed}`);
  }
}

function targets() {
  const { values } = parseArgs({ options: { target: { type: 'string', multiple: true } } });
  const all = Object.keys(PLATFORMS);
  const own = all.filter((target) => platforms()[0] === PLATFORMS[target]);
  const asked = values.target ?? own;
  const wrong = asked.find((target) => target !== 'all' && !all.includes(target));
  if (wrong !== undefined) throw new Error(`"${wrong}" is none of ${all.join(', ')}`);
  return asked.includes('all') ? all : asked;
}

/**
 * @param {string} target
 * @returns {string} the library
 */
function build(target) {
  const folder = process.env.CARGO_TARGET_DIR ?? path.join(ROOT, 'target', 'release-build');
  const suffix = target.endsWith('gnu') ? `.${OLDEST_GLIBC}` : '';
  const args = ['zigbuild', '--release', '--lib', '--locked', '--target-dir', folder];
  const { status } = spawnSync('cargo', [...args, '--target', `${target}${suffix}`], {
    cwd: ROOT,
    env: {
      ...process.env,
      CARGO_PROFILE_RELEASE_DEBUG: '0',
      CARGO_PROFILE_RELEASE_STRIP: 'symbols',
      // A program for musl holds its libc unless told otherwise; what Node loads must use Node's.
      ...(target.endsWith('musl') && { RUSTFLAGS: '-C target-feature=-crt-static' }),
    },
    stdio: 'inherit',
  });
  if (status !== 0) throw new Error(`no build for ${target}; see the head of scripts/release.js`);
  return path.join(folder, target, 'release', LIBRARY);
}

/**
 * The oldest glibc that has all that the library needs.
 * @param {string} file
 * @returns {string | undefined} undefined if it needs none
 */
function glibcOf(file) {
  const symbols = execFileSync('objdump', ['-T', file], { encoding: 'utf8' });
  const versions = Array.from(symbols.matchAll(/\(?GLIBC_([0-9.]+)\)?/g), ([, version]) => version);
  return versions.sort(compare).at(-1);
}

/** @type {(one: string, other: string) => number} */
function compare(one, other) {
  return one.localeCompare(other, 'en', { numeric: true });
}

try {
  main();
} catch (error) {
  console.error(`release: ${/** @type {Error} */ (error).message}`);
  process.exitCode = 1;
}
