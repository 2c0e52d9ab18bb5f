'use strict';

// The npm package that this one takes the place of. It must be there in the primary before the
// workers come online, and cannot be closed. It has no settings that touch its speed; the cluster's
// `serialization: 'advanced'` makes it slower.

const { load, versionOf } = require('../install.js');

const start = () => load('csm-1');

/** @type {import('./index.js').Peer} */
module.exports = {
  name: '1.1.5',
  family: 'cluster-shared-memory 1.1.5',
  has: ['get', 'set', 'mutex', 'listen', 'getLRU', 'setLRU'],
  how: 'as it is',
  stores: 'json',
  version: () => versionOf('csm-1'),
  primary: start,
  worker: start,
};
