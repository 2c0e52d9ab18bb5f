'use strict';

// A process of the first act: does its share of the counts. How far it has come stands in shared
// memory, so that whoever takes its place goes on from there.

const memory = require('cluster-shared-memory');

/** How many counts it does before it lets its event loop turn. */
const STRIDE = 1000;

const share = Number(process.env.SHARE);
const doneKey = `done:${process.env.PLACE}`;

async function count() {
  const { sync } = memory;
  // The first call waits until the primary has answered; sync calls would not.
  let done = await memory.incr(doneKey, 0);
  while (done < share) {
    const end = Math.min(share, done + STRIDE);
    while (done < end) {
      sync.incr('count');
      done = sync.incr(doneKey);
    }
    await new Promise(setImmediate);
  }
  process.disconnect?.();
}

count();
