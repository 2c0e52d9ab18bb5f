'use strict';

// Runs when somebody installs the package: does nothing if the addon can be loaded, and else builds
// it from the sources in the package, with cargo alone. Downloads nothing itself; cargo fetches the
// crates of Cargo.lock, or takes them from where it is configured to.
//
// Where the package cannot work: under Linux the installation fails, since that is where programs
// run. Under other systems they are only written, and need types and tests without the addon; so it
// succeeds there, and `require` throws.

const { spawnSync } = require('node:child_process');
const fs = require('node:fs');
const os = require('node:os');
const path = require('node:path');
const { binaryName, loadBinding } = require('../lib/binding.js');
const { SUPPORTED, platforms, platformName } = require('../lib/platform.js');

const ROOT = path.join(__dirname, '..');
const AGAIN = 'then run "npm rebuild cluster-shared-memory"';

function main() {
  // Not in the package: this is a checkout, which setup.js makes ready.
  if (fs.existsSync(path.join(__dirname, 'setup.js'))) return;
  if (platforms().length === 0) {
    say(`does not work on ${platformName()}: require() will throw. It works on ${SUPPORTED}.`);
    if (process.platform === 'linux') process.exitCode = 1;
    return;
  }
  const missing = problem();
  if (missing === undefined) return;
  if (spawnSync('cargo', ['--version']).status !== 0) {
    throw new Error(
      `no addon for ${platformName()} could be loaded (${missing}), and there is no cargo to ` +
        `build one; install Rust 1.88 or newer and a C linker, ${AGAIN}.`,
    );
  }
  build();
  const left = problem();
  if (left !== undefined) {
    throw new Error(`the addon built for ${platformName()} does not load: ${left}`);
  }
}

// In a process of its own, for a library that failed to load, or did, stays with the process.
/** @returns {string | undefined} what is in the way of loading, in one line */
function problem() {
  const { status, stdout } = spawnSync(process.execPath, [__filename, '--try'], {
    encoding: 'utf8',
  });
  return status === 0 ? undefined : stdout.trim() || 'the process that loaded it was killed';
}

function tryToLoad() {
  try {
    loadBinding();
  } catch (error) {
    const { cause } = /** @type {Error} */ (error);
    console.log(cause instanceof Error ? cause.message.split('\n')[0] : 'none is there');
    process.exitCode = 1;
  }
}

function build() {
  const target = fs.mkdtempSync(path.join(os.tmpdir(), 'cluster-shared-memory-'));
  try {
    const library = runCargo(target);
    // Beside its place first, so that no process ever finds half of it.
    const place = path.join(ROOT, binaryName(platforms()[0]));
    fs.copyFileSync(library, `${place}.new`);
    fs.renameSync(`${place}.new`, place);
  } finally {
    fs.rmSync(target, { recursive: true, force: true });
  }
}

/**
 * @param {string} target the folder to build in
 * @returns {string} the library
 */
function runCargo(target) {
  const args = ['build', '--release', '--lib', '--locked', '--target-dir', target];
  const { status, stdout } = spawnSync(
    'cargo',
    [...args, '--message-format=json-render-diagnostics'],
    {
      cwd: ROOT,
      encoding: 'utf8',
      env: { ...process.env, ...flags() },
      maxBuffer: Number.POSITIVE_INFINITY,
      stdio: ['ignore', 'pipe', 'inherit'],
    },
  );
  const library = status === 0 ? findLibrary(stdout) : undefined;
  if (library === undefined) {
    throw new Error(
      `cargo could not build the addon for ${platformName()} (see above); it needs Rust 1.88 or ` +
        `newer, a C linker, and the crates of Cargo.lock from the network or offline; ${AGAIN}.`,
    );
  }
  return library;
}

/** What makes the library small, and one that can be loaded on musl. */
function flags() {
  const { RUSTFLAGS = '' } = process.env;
  const isMusl = platforms()[0].endsWith('musl');
  return {
    CARGO_PROFILE_RELEASE_DEBUG: '0',
    CARGO_PROFILE_RELEASE_STRIP: 'symbols',
    ...(isMusl && { RUSTFLAGS: `${RUSTFLAGS} -C target-feature=-crt-static`.trim() }),
  };
}

/**
 * Where cargo put the library, which may be configured.
 * @param {string} messages one JSON text a line
 * @returns {string | undefined}
 */
function findLibrary(messages) {
  const lines = messages.split('\n').filter((line) => line.startsWith('{'));
  const files = lines
    .map((line) => JSON.parse(line))
    .flatMap((message) => {
      const isOurs = message.target?.kind.includes('cdylib');
      return isOurs ? (message.filenames ?? []) : [];
    });
  return files.find((/** @type {string} */ file) => file.endsWith('.so'));
}

/** @param {string} text */
function say(text) {
  console.error(`cluster-shared-memory: ${text}`);
}

if (process.argv[2] === '--try') tryToLoad();
else {
  try {
    main();
  } catch (error) {
    say(/** @type {Error} */ (error).message);
    process.exitCode = 1;
  }
}
