'use strict';

// This package without its cache of decoded values, so that every read decodes anew: what that
// cache does in a row, and what it does not.

const ours = require('./ours.js');

const start = () => {
  const memory = require('../..');
  memory.configure({ valueCache: 0 });
  return memory;
};

/** @type {import('./index.js').Peer} */
module.exports = {
  ...ours,
  name: 'ours uncached',
  has: [
    ...['get', 'set', 'getMany', 'setMany'],
    ...['sync.get', 'sync.set', 'sync.getMany', 'sync.setMany'],
  ],
  how: 'valueCache: 0',
  variant: true,
  unjudged: true,
  primary: start,
  worker: start,
};
