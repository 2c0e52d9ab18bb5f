'use strict';

// Operations on the LRU in another process or thread, one at a time, as the primary of a program
// wants them. The programs of several tests run this.

/**
 * @typedef {import('./program.js').Job} Job
 * @typedef {(key: any, value?: any) => Promise<any>} Call
 */

/**
 * The cache as a process or thread sees it that runs `serve`.
 * @param {import('node:cluster').Worker | import('node:worker_threads').Worker} place
 * @returns {{ setLRU: Call, getLRU: Call, removeLRU: Call, end: () => void }}
 */
function remote(place) {
  const send = (/** @type {unknown} */ message) =>
    'send' in place ? place.send(/** @type {any} */ (message)) : place.postMessage(message);
  const call =
    (/** @type {string} */ method) => (/** @type {any} */ key, /** @type {any} */ value) =>
      new Promise((resolve) => {
        place.once('message', (/** @type {any} */ { result }) => resolve(result));
        send({ method, key, value });
      });
  return {
    setLRU: call('setLRU'),
    getLRU: call('getLRU'),
    removeLRU: call('removeLRU'),
    end: () => send({ method: 'end' }),
  };
}

/**
 * Does what the primary says until it says that it is the end.
 * @param {any} memory
 */
function serve(memory) {
  const port = /** @type {any} */ (require('node:worker_threads').parentPort ?? process);
  const send = (/** @type {unknown} */ message) =>
    (port.send ?? port.postMessage).call(port, message);
  return new Promise((/** @type {(value?: any) => void} */ resolve) => {
    port.on('message', async (/** @type {any} */ { method, key, value }) => {
      if (method !== 'end') send({ result: await memory[method](key, value) });
      else resolve(port.close?.());
    });
  });
}

/**
 * Two more places for a program: `servants` gives a worker's and a thread's view of the cache.
 * @type {Record<string, Job>}
 */
const SERVANTS = {
  servants: ({ fork, startThread }) => {
    const { remote } = require('./lru-places.js');
    return [remote(fork('serve')), remote(startThread('serve'))];
  },
  serve: ({ memory }) => require('./lru-places.js').serve(memory),
};

module.exports = { remote, serve, SERVANTS };
