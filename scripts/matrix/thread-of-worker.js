'use strict';

// A thread of a cluster worker, without the package: what of the matrix fails in Deno itself.

const cluster = require('node:cluster');
const { Worker, isMainThread } = require('node:worker_threads');

if (!isMainThread) {
  console.log('the thread runs');
} else if (cluster.isPrimary) {
  cluster.fork();
} else {
  new Worker(__filename).on('exit', (code) => process.exit(code));
}
