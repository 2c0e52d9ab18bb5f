'use strict';

// ems (Extended Memory Semantics): a hash table of a fixed size in shared memory, in C++. It knows
// no removal, keeps objects as JSON, and looks 200 places far, so the table is four times as long as
// any scenario needs. A file in memory, for processes that are started by somebody else
// (parallelism 'user'); threads are not pinned by it, for the bench does that.
//
// `read` and `write` without its full/empty locks, its fastest; `faa` to count. It has no call for
// many keys: one after the other.

const fs = require('node:fs');
const path = require('node:path');
const { load, versionOf } = require('../install.js');

const MODULE = 'ems';
const TABLE = { dimensions: [2 ** 19], heapSize: 2 ** 29, useMap: true, persist: true };

/** @type {(room: string, first: boolean) => any} */
function open(room, first) {
  // Its own bookkeeping is a shared memory object, whose name has no folder.
  const ems = load(MODULE)(1, false, 'user', `/${path.basename(room)}-domain`);
  const filename = path.join(room, 'ems');
  const table = ems.new({
    ...TABLE,
    filename,
    useExisting: !first,
    doSetFEtags: first,
    setFEtags: 'full',
  });
  const get = (/** @type {string} */ key) => table.read(key);
  const set = (/** @type {string} */ key, /** @type {any} */ value) => table.write(key, value);
  const incr = (/** @type {string} */ key) => table.faa(key, 1) + 1;
  const getMany = (/** @type {string[]} */ keys) => keys.map(get);
  const setMany = (/** @type {[string, any][]} */ entries) => {
    for (const [key, value] of entries) set(key, value);
  };
  const calls = { get, set, incr, getMany, setMany };
  return {
    ...calls,
    sync: calls,
    elsewhere: () => fs.statSync(filename).blocks * 512,
  };
}

/** @type {import('./index.js').Peer} */
module.exports = {
  name: 'ems',
  family: 'ems',
  module: MODULE,
  has: [
    ...['get', 'set', 'incr', 'getMany', 'setMany'],
    ...['sync.get', 'sync.set', 'sync.incr', 'sync.getMany', 'sync.setMany'],
  ],
  how: 'in memory, read and write without locks, faa',
  stores: 'json',
  version: () => versionOf(MODULE),
  primary: (room) => open(room, true),
  worker: (room) => open(room, false),
};
