'use strict';

// A worker of a peer: does the jobs of the scenarios with the peer's operations.

const { serve } = require('./line.js');
const { peerNamed } = require('./peers/index.js');
const { jobs } = require('./scenarios/index.js');

const ready = (async () => peerNamed(process.argv[2]).worker())();
// Whoever asks for a job hears of it.
ready.catch(() => {});

serve(
  Object.fromEntries(
    Object.entries(jobs).map(([name, job]) => [
      name,
      async (/** @type {any} */ input) => job(await ready, input),
    ]),
  ),
);
