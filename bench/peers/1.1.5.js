'use strict';

// The npm package that this one takes the place of. It must be there in the primary before the
// workers come online, and cannot be closed.

// @ts-expect-error: it has no types.
const load = () => require('csm-1');

/** @type {import('./index.js').Peer} */
module.exports = { name: '1.1.5', primary: load, worker: load };
