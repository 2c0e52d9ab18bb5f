'use strict';

// A program whose processes load the package only once something has happened to them; for
// join.test.js. Prints one line.

const cluster = require('node:cluster');
const { Worker, isMainThread, parentPort } = require('node:worker_threads');

/** A worker gives up its user before it loads the package. */
async function dropPrivileges() {
  if (cluster.isPrimary) {
    require('../index.js').sync.set('a', 'shared');
    cluster.fork();
    return;
  }
  process.setgid?.(65534);
  process.setuid?.(65534);
  console.log(await require('../index.js').get('a'));
  process.disconnect?.();
}

/** A thread that is older than the configuration loads the package after it. */
async function oldThread() {
  if (!isMainThread) {
    parentPort?.once('message', () => {
      require('../index.js');
      parentPort?.postMessage('loaded');
      parentPort?.unref();
    });
    return;
  }
  const thread = new Worker(__filename, { argv: process.argv.slice(2) });
  const memory = require('../index.js');
  memory.configure({ maxMemory: '64mb' });
  thread.once('message', async () => {
    const { bytes } = await memory.stats();
    console.log(bytes.maximum <= 64 * 2 ** 20);
  });
  thread.postMessage('go');
}

/** @type {Record<string, () => Promise<void>>} */
const programs = { dropPrivileges, oldThread };
programs[process.argv[2]]();
