'use strict';

// What a run found, with all that a reader must know of it; as a file, and from one.

const fs = require('node:fs');
const os = require('node:os');
const { jsonText } = require('./json.js');
const { ours } = require('./peers/index.js');

/** @typedef {import('./peers/index.js').Peer} Peer */
/** @typedef {import('./results.js').Scene} Scene */

/** What is read must be of this form. */
const FORM = 1;
/** More digits than any figure deserves. */
const DIGITS = 5;

/**
 * @typedef {object} Report
 * @property {number} form
 * @property {string} date
 * @property {Machine} machine
 * @property {{ rounds: number, ms: number, quick: boolean }} effort
 * @property {[number, number]} load before and after
 * @property {Described[]} peers ours first
 * @property {{ name: string, reason: string }[]} absent
 * @property {Scene[]} scenes
 */
/** @typedef {{ cpu: string, cpus: number, gigabytes: number, system: string, node: string }} Machine */
/**
 * @typedef {Pick<Peer, 'name' | 'family' | 'how' | 'stores' | 'unjudged'>
 *   & { version: string | undefined }} Described
 */

/** @returns {Machine} */
function machine() {
  const cpus = os.cpus();
  return {
    cpu: cpus[0]?.model.trim() ?? 'CPU',
    cpus: cpus.length,
    gigabytes: Math.round(os.totalmem() / 2 ** 30),
    system: `${os.type()} ${os.release().split('-')[0]} ${os.arch()}`,
    node: process.version.slice(1),
  };
}

/** @type {(peer: Peer) => Described} */
const described = ({ name, family, how, stores, unjudged, version }) => ({
  name,
  family,
  how,
  stores,
  unjudged,
  version: version(),
});

/**
 * @param {{ peers: Peer[], absent: Report['absent'], effort: Report['effort'], scenes: Scene[],
 *   loadBefore: number }} run
 * @returns {Report}
 */
function reportOf({ peers, absent, effort, scenes, loadBefore }) {
  return {
    form: FORM,
    date: new Date().toISOString().slice(0, 10),
    machine: machine(),
    effort,
    load: [loadBefore, os.loadavg()[0]],
    peers: [ours, ...peers].map(described),
    absent,
    scenes,
  };
}

/** In a few words. @param {Machine} machine */
function machineText({ cpu, cpus, gigabytes, system, node }) {
  return `Node.js ${node}, ${system}, ${cpus} x ${cpu}, ${gigabytes} GB`;
}

/**
 * One line for each family, since its variants are one package: lmdb 3.5.6, ...
 * @param {Described[]} peers
 */
function versionsOf(peers) {
  const versions = new Map(peers.map(({ family, version }) => [family, version]));
  return [...versions].map(([family, version]) =>
    version === undefined || family.endsWith(version) ? family : `${family} ${version}`,
  );
}

/** @param {string} file @param {Report} report */
function write(file, report) {
  const brief = (/** @type {string} */ _, /** @type {any} */ value) =>
    typeof value === 'number' ? Number(value.toPrecision(DIGITS)) : value;
  fs.writeFileSync(file, `${jsonText(JSON.parse(JSON.stringify(report, brief)))}\n`);
}

/**
 * @param {string} file
 * @returns {Report}
 */
function read(file) {
  const text = fs.readFileSync(file, 'utf8');
  try {
    const report = JSON.parse(text);
    if (report.form === FORM) return report;
  } catch {
    // As any other text.
  }
  throw new Error(`${file} is no report of this bench`);
}

module.exports = { reportOf, machineText, versionsOf, write, read };
