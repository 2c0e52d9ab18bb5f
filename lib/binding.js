'use strict';

// Loads the addon. It lies beside this package (there it was packed, or built at the installation or
// in a checkout), or in a package of its own for the platform, of which a package manager installs
// the one that fits. scripts/install.js asks here too whether there is anything to build.

const { makeError } = require('./errors.js');
const { SUPPORTED, platforms, platformName } = require('./platform.js');

const NAME = 'cluster-shared-memory';
const { version: VERSION } = require('../package.json');

/**
 * @typedef {typeof import('../binding.d.ts')} Binding
 * @typedef {{ what: string, problem: string, cause?: NodeJS.ErrnoException }} Failure
 */

/**
 * @returns {Binding}
 * @throws ERR_BINARY_MISSING
 */
function loadBinding() {
  /** @type {Failure[]} */
  const failures = [];
  for (const platform of platforms()) {
    const binding =
      attempt(failures, binaryName(platform), () => require(`../${NAME}.${platform}.node`)) ??
      attempt(failures, `package ${NAME}-${platform}`, () => fromPackage(`${NAME}-${platform}`));
    if (binding !== undefined) return binding;
  }
  const cause = failures.find((failure) => failure.cause !== undefined)?.cause;
  throw makeError('ERR_BINARY_MISSING', explain(failures), cause && { cause });
}

/** @param {string} platform */
function binaryName(platform) {
  return `${NAME}.${platform}.node`;
}

/**
 * @param {Failure[]} failures
 * @param {string} what
 * @param {() => Binding} load
 */
function attempt(failures, what, load) {
  try {
    return load();
  } catch (error) {
    const cause = /** @type {NodeJS.ErrnoException} */ (error);
    const isThere = cause.code !== 'MODULE_NOT_FOUND';
    failures.push(
      isThere ? { what, problem: cause.message, cause } : { what, problem: 'not there' },
    );
    return undefined;
  }
}

/** @param {string} name */
function fromPackage(name) {
  const { version } = require(`${name}/package.json`);
  if (version !== VERSION) throw new Error(`is of version ${version}, and this is ${VERSION}`);
  return require(name);
}

/**
 * What was tried, and what to do about it.
 * @param {Failure[]} failures
 */
function explain(failures) {
  if (failures.length === 0) {
    return (
      `${NAME} does not work on ${platformName()}; it works on ${SUPPORTED}. ` +
      'Elsewhere run the program in a container or a virtual machine with Linux.'
    );
  }
  const tried = failures.map(({ what, problem }) => `\n- ${what}: ${problem.trim()}`);
  return (
    `The addon of ${NAME} could not be loaded on ${platformName()}. Tried:${tried.join('')}\n` +
    remedy(failures)
  );
}

/** @param {Failure[]} failures */
function remedy(failures) {
  if (failures.some(({ cause }) => cause?.code === 'ERR_DLOPEN_DISABLED')) {
    return 'Node was told to load no addons: start it with --allow-addons, or without --no-addons.';
  }
  return (
    `Install the package on the machine that runs it. If no build fits that machine, run ` +
    `"npm rebuild ${NAME}" there ("pnpm approve-builds" under pnpm), which makes one with Rust ` +
    '1.88 or newer; in a checkout, "npm run setup".'
  );
}

module.exports = { binaryName, loadBinding };
