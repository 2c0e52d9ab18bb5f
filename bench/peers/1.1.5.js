'use strict';

// The npm package that this one takes the place of. It must be there in the primary before the
// workers come online, and cannot be closed. It has no settings that touch its speed; the cluster's
// `serialization: 'advanced'` makes it slower. It has no call for many keys: they are asked for at
// once.

const { load, versionOf } = require('../install.js');

function start() {
  const memory = load('csm-1');
  const getMany = (/** @type {string[]} */ keys) => Promise.all(keys.map((key) => memory.get(key)));
  const setMany = (/** @type {[string, any][]} */ entries) =>
    Promise.all(entries.map(([key, value]) => memory.set(key, value)));
  return Object.assign(memory, { getMany, setMany });
}

/** @type {import('./index.js').Peer} */
module.exports = {
  name: '1.1.5',
  family: 'cluster-shared-memory 1.1.5',
  has: ['get', 'set', 'getMany', 'setMany', 'mutex', 'listen', 'getLRU', 'setLRU'],
  how: 'as it is',
  stores: 'json',
  version: () => versionOf('csm-1'),
  primary: start,
  worker: start,
};
