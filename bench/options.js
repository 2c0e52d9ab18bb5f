'use strict';

// The arguments of the bench.

const fs = require('node:fs');
const path = require('node:path');
const { parseArgs } = require('node:util');
const { others } = require('./peers/index.js');
const { scenarios } = require('./scenarios/index.js');

/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {import('./peers/index.js').Peer} Peer */

/** Ours needs longer than a quick round until it is compiled. */
const QUICK = { rounds: 3, ms: 20, warmUpMs: 60 };
const USUAL = { rounds: 11, ms: 200, warmUpMs: 200 };

const HELP = `npm run bench -- [options]

Measures this package beside its peers, and beside the floors of the same run.

  --list           the names of the scenarios and of the peers
  --only NAMES     scenarios by name, with commas; "mutex" is all that begin with "mutex-"
  --peers NAMES    peers by name, with commas; "lmdb" is all its variants; "none"
  --quick          few short rounds, fewer scenarios and peers: a look, not figures to quote
  --rounds N       instead of ${USUAL.rounds}, or ${QUICK.rounds} if quick
  --json FILE      all that was found, the figures of each round among it
  --svg FILE       a picture
  --markdown FILE  the table of the README
  --from FILE      measures nothing, but draws what --json has written
  --help           this text

Peers are installed into bench/node_modules when they are first asked for. Primaries are pinned to
CPU 0, workers from CPU 1 on in turn, unless a scenario says otherwise. Quote ratios and not times:
the machine may be busy with other things.`;

const NOT_QUICK = ' (in a quick run only if named)';

/** A call that is wrong, in one line. */
class UsageError extends Error {}

/**
 * @param {string[]} args
 * @throws {UsageError}
 */
function optionsOf(args) {
  const values = valuesOf(args);
  const quick = values.quick ?? false;
  const usual = quick ? QUICK : USUAL;
  const rounds = values.rounds === undefined ? usual.rounds : Number(values.rounds);
  if (!Number.isSafeInteger(rounds) || rounds < 1) {
    throw new UsageError(`--rounds: a whole number from 1 on, not "${values.rounds}"`);
  }
  const chosen = values.only === undefined ? undefined : chosenOf(values.only);
  return {
    help: values.help ?? false,
    list: values.list ?? false,
    scenarios: chosen ?? scenarios.filter(({ slow }) => !(quick && slow)),
    peers: peersOf(values.peers) ?? others.filter(({ variant }) => !(quick && variant)),
    quick,
    effort: { ...usual, rounds },
    from: values.from,
    files: checked({ json: values.json, svg: values.svg, markdown: values.markdown }),
  };
}

/** @param {string[]} args */
function valuesOf(args) {
  try {
    return parseArgs({
      args,
      options: {
        ...{ help: { type: 'boolean' }, list: { type: 'boolean' }, quick: { type: 'boolean' } },
        ...{ only: { type: 'string' }, peers: { type: 'string' }, rounds: { type: 'string' } },
        ...{ json: { type: 'string' }, svg: { type: 'string' }, markdown: { type: 'string' } },
        from: { type: 'string' },
      },
    }).values;
  } catch (error) {
    const [first] = /** @type {Error} */ (error).message.split(/\. |\n/);
    throw new UsageError(first);
  }
}

/**
 * Before anything is measured: nobody wants to hear of it afterwards.
 * @template {Record<string, string | undefined>} T
 * @param {T} files
 */
function checked(files) {
  for (const [option, file] of Object.entries(files)) {
    if (file !== undefined && !fs.existsSync(path.dirname(file))) {
      throw new UsageError(`--${option}: there is no folder "${path.dirname(file)}"`);
    }
  }
  return files;
}

/**
 * @param {string} text
 * @returns {Scenario[]} in the order of the table
 */
function chosenOf(text) {
  const names = text.split(',').map((name) => name.trim());
  const isMeant = (/** @type {string} */ name, /** @type {Scenario} */ scenario) =>
    scenario.name === name || scenario.name.startsWith(`${name}-`);
  const unknown = names.find((name) => !scenarios.some((each) => isMeant(name, each)));
  if (unknown !== undefined) throw new UsageError(`--only: no scenario "${unknown}"; see --list`);
  return scenarios.filter((each) => names.some((name) => isMeant(name, each)));
}

/**
 * @param {string | undefined} text
 * @returns {Peer[] | undefined} unless there are names
 */
function peersOf(text) {
  if (text === undefined) return undefined;
  if (text === 'none') return [];
  const names = text
    .toLowerCase()
    .split(',')
    .map((name) => name.trim());
  const isMeant = (/** @type {string} */ name, /** @type {Peer} */ peer) =>
    peer.name === name || peer.family.toLowerCase() === name;
  const unknown = names.find((name) => !others.some((each) => isMeant(name, each)));
  if (unknown !== undefined) throw new UsageError(`--peers: no peer "${unknown}"; see --list`);
  return others.filter((each) => names.some((name) => isMeant(name, each)));
}

/** What --list says. */
function listText() {
  const width = Math.max(...[...scenarios, ...others].map(({ name }) => name.length)) + 2;
  const line = (/** @type {string} */ name, /** @type {string} */ text) =>
    `  ${name.padEnd(width)}${text}`;
  return [
    'scenarios',
    ...scenarios.map(({ name, title, slow }) => line(name, `${title}${slow ? NOT_QUICK : ''}`)),
    'peers',
    ...others.map(({ name, how, variant }) => line(name, `${how}${variant ? NOT_QUICK : ''}`)),
  ].join('\n');
}

module.exports = { HELP, UsageError, optionsOf, listText };
