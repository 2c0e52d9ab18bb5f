'use strict';

// A worker of a peer: does the jobs of the scenarios with the peer's operations.

const { serve } = require('./line.js');
const { peerNamed } = require('./peers/index.js');
const { jobs } = require('./scenarios/index.js');

const [, , name, room] = process.argv;
const ready = (async () => peerNamed(name).worker(room))();
// Whoever asks for a job hears of it.
ready.catch(() => {});

serve(
  Object.fromEntries(
    Object.entries(jobs).map(([order, job]) => [
      order,
      async (/** @type {any} */ input) => job(await ready, input),
    ]),
  ),
);
