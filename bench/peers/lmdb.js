'use strict';

// lmdb-js, on files in memory. In its own settings for stores that need not outlive the machine:
// nothing is flushed (`noSync`), fresh pages are not cleared (`noMemInit`), pages are written where
// they are mapped (`useWritemap`, which halves the time of a set), and the map is as large as it
// will ever be.
//
// Two ways to use it, in each encoding:
// - as its documentation has it: a get reads a snapshot that lasts until the next turn of the event
//   loop, so it does not see what others have written since; an awaited set is done by a thread of
//   its own, together with what comes meanwhile (`put`);
// - `fresh`, which is what this package does: each get sees what anybody has written
//   (`resetReadTxn`), and a set is done when it returns (`putSync`).
// `sync` has the same gets, and `putSync` and `transactionSync`.
//
// Many at once: gets from one snapshot, one after the other (its own `getMany` reads ahead for disks,
// and takes twice as long in memory), and sets in one transaction, by `batch` or `transactionSync`.
//
// With msgpack the shapes of objects are shared (`sharedStructuresKey`), its fastest form. `cached`
// keeps decoded objects in each process and checks their version (`cache: { validated: true }`): it
// gives the same object again and not a copy, so a reader that changes it changes it for the next.

const fs = require('node:fs');
const path = require('node:path');
const { load, versionOf } = require('../install.js');

const MODULE = 'lmdb';
const COMMON = { noSync: true, noMemInit: true, useWritemap: true, mapSize: 2 ** 31 };
const ENCODINGS = {
  json: { encoding: 'json' },
  msgpack: { encoding: 'msgpack', sharedStructuresKey: Symbol.for('structures') },
};

/** @typedef {{ settings: object, fresh: boolean }} Variant */

/** @type {(room: string, variant: Variant) => any} */
function open(room, { settings, fresh }) {
  const file = path.join(room, 'data.mdb');
  const db = load(MODULE).open({ path: file, ...COMMON, ...settings });
  /** @param {string} key */
  const readFresh = (key) => {
    db.resetReadTxn();
    return db.get(key);
  };
  const get = fresh ? readFresh : (/** @type {string} */ key) => db.get(key);
  /** @type {(key: string, value: any) => boolean} */
  const putSync = (key, value) => db.putSync(key, value);
  /** @type {(key: string, value: any) => Promise<boolean>} */
  const put = (key, value) => db.put(key, value);
  const incr = (/** @type {string} */ key) =>
    db.transactionSync(() => {
      const sum = (db.get(key) ?? 0) + 1;
      db.put(key, sum);
      return sum;
    });
  const getMany = (/** @type {string[]} */ keys) => {
    if (fresh) db.resetReadTxn();
    return keys.map((key) => db.get(key));
  };
  const putAll = (/** @type {[string, any][]} */ entries) => () => {
    for (const [key, value] of entries) db.put(key, value);
  };
  const setManySync = (/** @type {[string, any][]} */ entries) =>
    db.transactionSync(putAll(entries));
  const batch = (/** @type {[string, any][]} */ entries) => db.batch(putAll(entries));
  return {
    get,
    set: fresh ? putSync : put,
    incr,
    getMany,
    setMany: fresh ? setManySync : batch,
    sync: { get, set: putSync, incr, getMany, setMany: setManySync },
    elsewhere: () => fs.statSync(file).blocks * 512,
  };
}

const ALL = [
  ...['get', 'set', 'incr', 'getMany', 'setMany'],
  ...['sync.get', 'sync.set', 'sync.incr', 'sync.getMany', 'sync.setMany'],
];

/** @type {(encoding: keyof typeof ENCODINGS, fresh: boolean) => import('./index.js').Peer} */
const variant = (encoding, fresh) => ({
  ...setUp({ settings: ENCODINGS[encoding], fresh }),
  name: `lmdb ${encoding}${fresh ? ' fresh' : ''}`,
  has: ALL,
  how: `in memory, noSync, useWritemap; ${fresh ? 'fresh snapshot for each get, putSync' : 'as documented, put'}`,
  stores: encoding,
});

/** @param {Variant} variant */
const setUp = (variant) => ({
  family: 'lmdb',
  module: MODULE,
  version: () => versionOf(MODULE),
  primary: (/** @type {string} */ room) => open(room, variant),
  worker: (/** @type {string} */ room) => open(room, variant),
});

/** @type {import('./index.js').Peer} */
const cached = {
  ...setUp({ settings: { ...ENCODINGS.msgpack, cache: { validated: true } }, fresh: true }),
  name: 'lmdb cached',
  has: ['sync.get', 'sync.set', 'sync.getMany', 'sync.setMany'],
  how: 'in memory, noSync, useWritemap; a validated cache of objects, which are shared and not copied',
  stores: 'msgpack',
  unjudged: true,
};

/** @type {import('./index.js').Peer[]} */
const peers = [
  { ...variant('json', false), variant: true },
  variant('json', true),
  variant('msgpack', false),
  { ...variant('msgpack', true), variant: true },
  { ...cached, variant: true },
];

module.exports = { peers };
