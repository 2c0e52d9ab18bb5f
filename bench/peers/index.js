'use strict';

// What is measured: this package, and those beside it. A peer comes with one module here, and with
// targets in scenarios/ if it has any.
//
// Each gets processes of its own, of the same kind: a primary that loads it before it forks, and
// cluster workers.

/**
 * The calls that scenarios make, in the shape of this package. A peer leaves out what it has not;
 * the scenarios that need it are then not measured.
 * @typedef {object} Operations
 * @property {(key: string) => Promise<any>} get
 * @property {(key: string, value: any) => Promise<any>} set
 * @property {(key: string, run: () => Promise<any>) => Promise<any>} mutex
 * @property {(key: string, callback: (value: any) => void) => unknown} listen
 * @property {(key: string) => Promise<any>} getLRU
 * @property {(key: string, value: any) => Promise<any>} setLRU
 */

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {() => any} primary sets it up in a primary; gives, or promises, its Operations
 * @property {() => any} worker the same in a worker
 */

/** @type {Peer[]} */
const peers = [require('./ours.js'), require('./1.1.5.js')];
const [ours, ...others] = peers;

/** @param {string} name */
function peerNamed(name) {
  const peer = peers.find((each) => each.name === name);
  if (peer === undefined) throw new Error(`There is no peer ${name}.`);
  return peer;
}

module.exports = { ours, others, peerNamed };
