'use strict';

// The entry: one object per environment, with the same methods in the primary, the workers and
// their threads. Loading it in the primary opens the door for workers; the memory itself is made
// with the first operation. index.d.ts is the contract.

const { Memory } = require('./lib/memory.js');

/** @type {import('./index.js').SharedMemory} */
const memory = new Memory();

module.exports = memory;
