'use strict';

// Makes a fresh clone ready: installs the tools and builds the addon, each only if it is missing or
// older than what it is made from. Needs Node, npm and Rust, and nothing installed before.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const path = require('node:path');
const { binaryName } = require('../lib/binding.js');
const { platforms } = require('../lib/platform.js');

const ROOT = path.join(__dirname, '..');
const RUST_SOURCES = ['src', 'Cargo.toml', 'Cargo.lock', 'build.rs'];

function main() {
  process.chdir(ROOT);
  if (newest(['package-lock.json']) > newest(['node_modules/.package-lock.json'])) {
    console.log('setup: installing the tools (npm ci)');
    run('npm', ['ci', '--include=dev', '--no-audit', '--no-fund']);
  }
  if (newest(RUST_SOURCES) > builtAt()) {
    if (spawnSync('cargo', ['--version']).status !== 0) {
      fail('cargo was not found; install Rust from https://rustup.rs and try again');
    }
    console.log('setup: building the addon (npm run build)');
    const started = new Date();
    run('npm', ['run', '--silent', 'build']);
    dateBuilt(started);
  }
}

/** The addon for this machine; whatever else was built may lie beside it. */
function builtFiles() {
  return platforms()
    .map(binaryName)
    .filter((name) => fs.existsSync(name));
}

function builtAt() {
  return newest(builtFiles());
}

// A build that finds nothing changed leaves the old files, and the next setup would build again; a
// source that is changed during the build must be built next time.
/** @param {Date} started */
function dateBuilt(started) {
  for (const file of builtFiles()) fs.utimesSync(file, started, started);
}

/**
 * When the newest of these files, or of the files in these folders, was changed; 0 if none exists.
 * @param {string[]} paths
 * @returns {number}
 */
function newest(paths) {
  let latest = 0;
  for (const each of paths) {
    const stat = fs.statSync(each, { throwIfNoEntry: false });
    const changed = stat?.isDirectory() ? newest(inside(each)) : (stat?.mtimeMs ?? 0);
    latest = Math.max(latest, changed);
  }
  return latest;
}

/** @param {string} folder */
function inside(folder) {
  return fs.readdirSync(folder).map((name) => path.join(folder, name));
}

/**
 * @param {string} command
 * @param {string[]} args
 */
function run(command, args) {
  const { status, error } = spawnSync(command, args, { stdio: 'inherit' });
  if (error) fail(`${command} could not be started: ${error.message}`);
  if (status !== 0) fail(`"${command} ${args.join(' ')}" failed`);
}

/** @param {string} message */
function fail(message) {
  console.error(`setup: ${message}`);
  process.exit(1);
}

main();
