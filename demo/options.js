'use strict';

// What may be said on the command line of the demo, and what is taken otherwise.

const os = require('node:os');
const { parseArgs } = require('node:util');

/** @typedef {{ seconds: number, workers: number, count: number, port: number }} Options */
/** @typedef {{ least: number, most: number, usual: number, what: string }} Option */

/** @type {Record<keyof Options, Option>} */
const OPTIONS = {
  seconds: { least: 1, most: 86_400, usual: 8, what: 'how long the HTTP cluster is under load' },
  workers: { least: 2, most: 64, usual: usualWorkers(), what: 'how many workers it has' },
  count: { least: 1000, most: 1e12, usual: 3e6, what: 'what eight processes count to together' },
  port: { least: 0, most: 65_535, usual: 0, what: 'its port on 127.0.0.1; 0: any that is free' },
};

/** The load needs a processor too; more than four say nothing new. */
function usualWorkers() {
  return Math.min(4, Math.max(2, os.cpus().length - 1));
}

function usage() {
  const names = Object.keys(OPTIONS);
  const lines = Object.entries(OPTIONS).map(
    ([name, { least, most, usual, what }]) =>
      `  --${name.padEnd(8)} ${what} (${least} to ${most}; ${usual})`,
  );
  return [
    `usage: npm start -- ${names.map((name) => `[--${name} N]`).join(' ')}`,
    ...lines,
    'It ends with 0 if nothing was lost, with 1 if something was, with 2 for wrong options.',
  ].join('\n');
}

/**
 * @param {string[]} args
 * @returns {Options}
 * @throws an Error that says what is wrong
 */
function parse(args) {
  const options = Object.fromEntries(
    Object.keys(OPTIONS).map((name) => [name, { type: /** @type {const} */ ('string') }]),
  );
  const { values } = parseArgs({ args, options });
  const parsed = Object.entries(OPTIONS).map(([name, { least, most, usual }]) => {
    const text = values[name] ?? String(usual);
    const number = /^\d+$/.test(text) ? Number(text) : NaN;
    if (!(number >= least && number <= most)) {
      throw new Error(`--${name} must be a whole number from ${least} to ${most}, not "${text}"`);
    }
    return [name, number];
  });
  return Object.fromEntries(parsed);
}

module.exports = { parse, usage };
