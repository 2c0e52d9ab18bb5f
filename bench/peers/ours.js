'use strict';

// This package, as it is without any option.

const load = () => require('../..');

/** @type {import('./index.js').Peer} */
module.exports = {
  name: 'ours',
  family: 'cluster-shared-memory',
  has: [
    ...['get', 'set', 'incr', 'getMany', 'setMany', 'mutex', 'listen', 'getLRU', 'setLRU'],
    ...['sync.get', 'sync.set', 'sync.incr', 'sync.getMany', 'sync.setMany'],
  ],
  how: 'as it is',
  stores: 'json',
  version: () => require('../../package.json').version,
  primary: load,
  worker: load,
};
