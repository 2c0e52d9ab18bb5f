'use strict';

// Installs the peers of package.json beside it, into a node_modules folder of its own, and says why
// one of them is not there. It tries once; a changed package.json, or a removed folder, is tried
// again.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const { createRequire } = require('node:module');
const os = require('node:os');
const path = require('node:path');

const MANIFEST = path.join(__dirname, 'package.json');
const FOLDER = path.join(__dirname, 'node_modules');
/** What came of the last try. */
const NOTES = path.join(FOLDER, '.bench.json');
const QUIETLY = ['--no-package-lock', '--no-audit', '--no-fund', '--fetch-retries=1'];

const ERROR = /^npm (error|ERR!) (?!A complete log)/;

/** @type {Record<string, string>} */
const VERSIONS = JSON.parse(fs.readFileSync(MANIFEST, 'utf8')).optionalDependencies;

/** Loads a package without a type, for it may not be there. @param {string} name */
const load = (name) => createRequire(__filename)(name);

/**
 * Which version of a package is there.
 * @param {string} name
 * @returns {string | undefined}
 */
function versionOf(name) {
  const folders = createRequire(__filename).resolve.paths(name) ?? [];
  for (const folder of folders) {
    try {
      return JSON.parse(fs.readFileSync(path.join(folder, name, 'package.json'), 'utf8')).version;
    } catch {
      // It may lie in the next one.
    }
  }
  return undefined;
}

/**
 * Sees to it that packages are there, as far as they can be had.
 * @param {string[]} names of package.json
 * @param {(text: string) => void} tell
 * @returns {Record<string, string>} why one of them is not there
 */
function install(names, tell) {
  const isMissing = (/** @type {string} */ name) => versionOf(name) !== VERSIONS[name];
  const missing = names.filter(isMissing);
  if (missing.length === 0) return {};
  const tried = notesOfLastTry();
  if (tried && missing.every((name) => name in tried)) return tried;
  tell(`installs the peers: ${Object.keys(VERSIONS).join(', ')}`);
  npm(['install']);
  const reasons = Object.fromEntries(
    Object.keys(VERSIONS)
      .filter(isMissing)
      .map((name) => [name, reasonFor(name)]),
  );
  fs.mkdirSync(FOLDER, { recursive: true });
  fs.writeFileSync(NOTES, JSON.stringify(reasons));
  return reasons;
}

/** @returns {Record<string, string> | undefined} unless package.json has changed since */
function notesOfLastTry() {
  try {
    if (fs.statSync(MANIFEST).mtimeMs > fs.statSync(NOTES).mtimeMs) return undefined;
    return JSON.parse(fs.readFileSync(NOTES, 'utf8'));
  } catch {
    return undefined;
  }
}

/**
 * npm passes over an optional package in silence; asked for it alone and elsewhere, it says why.
 * @param {string} name
 */
function reasonFor(name) {
  const elsewhere = fs.mkdtempSync(path.join(os.tmpdir(), 'bench-'));
  fs.writeFileSync(path.join(elsewhere, 'package.json'), '{}');
  const errors = npm(['install', `${name}@${VERSIONS[name]}`], elsewhere);
  fs.rmSync(elsewhere, { recursive: true });
  const lines = errors.split('\n').filter((line) => ERROR.test(line));
  const text = lines.map((line) => line.replace(ERROR, '')).join(', ');
  return `cannot be installed: ${text.slice(0, 120) || 'npm does not say why'}`;
}

/** @type {(args: string[], cwd?: string) => string} what npm complains of */
function npm(args, cwd = __dirname) {
  const { stderr, error } = spawnSync('npm', [...args, ...QUIETLY], {
    cwd,
    encoding: 'utf8',
    stdio: ['ignore', 'ignore', 'pipe'],
  });
  return error ? `npm error ${error.message}` : stderr;
}

module.exports = { install, load, versionOf };
