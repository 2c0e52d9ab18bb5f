'use strict';

// What is measured: this package, and its peers. A peer comes with one module here, which says what
// it has and how it is set up; scenarios name what they need, and whoever has it takes part.
//
// Each gets processes of its own, of the same kind and pinned alike: a primary that sets it up
// before it forks, and cluster workers. What a peer starts besides (a server) is a child of its
// primary, and so has the primary's CPU.

const { install, versionOf } = require('../install.js');

/**
 * The calls that scenarios make, in the shape of this package. What a call gives is awaited, but
 * for those of `sync`, so a peer without promises gives the value itself.
 * @typedef {object} Operations
 * @property {(key: string) => any} get
 * @property {(key: string, value: any) => any} set
 * @property {(key: string) => any} incr
 * @property {(keys: string[]) => any} getMany
 * @property {(entries: [string, any][]) => any} setMany
 * @property {(key: string, run: () => Promise<any>) => Promise<any>} mutex
 * @property {(key: string, callback: (value: any) => void) => unknown} listen
 * @property {(key: string) => any} getLRU
 * @property {(key: string, value: any) => any} setLRU
 * @property {Sync} sync
 * @property {() => number} [elsewhere] bytes that it holds outside of the processes' own memory; of
 * these, shared memory is then not counted
 */

/**
 * @typedef {object} Sync
 * @property {(key: string) => any} get
 * @property {(key: string, value: any) => unknown} set
 * @property {(key: string) => number} incr
 * @property {(keys: string[]) => any[]} getMany
 * @property {(entries: [string, any][]) => unknown} setMany
 */

/**
 * @typedef {object} Peer
 * @property {string} name
 * @property {string} family of variants of one package; a picture shows the best of them. A variant
 * of ours is shown beside it, and is no rival
 * @property {string} [module] the package, if the bench installs it
 * @property {string[]} has calls: get, sync.get, ...
 * @property {string} how its settings
 * @property {'json' | 'msgpack'} stores how objects are stored
 * @property {boolean} [variant] of several alike: a quick run leaves it out
 * @property {boolean} [unjudged] is shown, but gives something else than the others do
 * @property {() => string | undefined} [lacks] what it needs of the machine and does not find
 * @property {() => string | undefined} version
 * @property {(room: string) => any} primary sets it up in a primary; gives, or promises, its
 * Operations. `room` is an empty folder in memory, which is removed in the end, and so is all whose
 * name begins with it
 * @property {(room: string) => any} worker the same in a worker
 */

/** @type {Peer} */
const ours = require('./ours.js');
/** @type {Peer[]} */
const others = [
  require('./ours-uncached.js'),
  require('./1.1.5.js'),
  require('./lru-cache-for-clusters.js'),
  require('./redis.js'),
  ...require('./lmdb.js').peers,
  require('./ems.js'),
];

/** @param {string} name */
function peerNamed(name) {
  const peer = [ours, ...others].find((each) => each.name === name);
  if (peer === undefined) throw new Error(`There is no peer ${name}.`);
  return peer;
}

/**
 * Those of some peers that can be measured here; installs what is missing.
 * @param {Peer[]} wanted
 * @param {(text: string) => void} tell
 * @returns {{ present: Peer[], absent: { name: string, reason: string }[] }}
 */
function muster(wanted, tell) {
  const modules = wanted.flatMap(({ module }) => module ?? []);
  const reasons = install([...new Set(modules)], tell);
  const reasonOf = (/** @type {Peer} */ { module, lacks }) =>
    (module === undefined ? undefined : reasons[module]) ?? lacks?.();
  const absent = wanted.flatMap((peer) => {
    const reason = reasonOf(peer);
    return reason === undefined ? [] : [{ name: peer.name, reason }];
  });
  return { present: wanted.filter((peer) => reasonOf(peer) === undefined), absent };
}

module.exports = { ours, others, peerNamed, muster, versionOf };
