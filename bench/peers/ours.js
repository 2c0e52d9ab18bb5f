'use strict';

// This package.

const load = () => require('../..');

/** @type {import('./index.js').Peer} */
module.exports = { name: 'ours', primary: load, worker: load };
