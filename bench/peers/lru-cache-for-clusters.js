'use strict';

// lru-cache-for-clusters-as-promised: an lru-cache in the primary, asked over the IPC channel.
//
// `set` and not `setObject`: the channel is JSON as it is, so that would encode objects twice. No
// pruning, and room for every entry of every scenario. A late answer would be given as `undefined`
// after 100 ms, which no figure may hide, so it is waited for, and then rejects.

const { load, versionOf } = require('../install.js');

const MODULE = 'lru-cache-for-clusters-as-promised';
const OPTIONS = { namespace: 'bench', max: 1_000_000, timeout: 20_000, failsafe: 'reject' };

async function open() {
  const cache = await load(MODULE).getInstance(OPTIONS);
  const get = (/** @type {string} */ key) => cache.get(key);
  const set = (/** @type {string} */ key, /** @type {any} */ value) => cache.set(key, value);
  return {
    get,
    set,
    getLRU: get,
    setLRU: set,
    incr: (/** @type {string} */ key) => cache.incr(key),
    getMany: async (/** @type {string[]} */ keys) => {
      const found = await cache.mGet(keys);
      return keys.map((key) => found[key]);
    },
    setMany: (/** @type {[string, any][]} */ entries) => cache.mSet(Object.fromEntries(entries)),
  };
}

/** @type {import('./index.js').Peer} */
module.exports = {
  name: 'lru-cache-for-clusters',
  family: MODULE,
  module: MODULE,
  has: ['get', 'set', 'getMany', 'setMany', 'getLRU', 'setLRU', 'incr'],
  how: 'max 1 000 000, no pruning',
  stores: 'json',
  version: () => versionOf(MODULE),
  async primary() {
    load(MODULE).init();
    return open();
  },
  worker: open,
};
