'use strict';

// A worker of the second act, as a user of the package writes one: each request is counted under a
// mutex, changes the session of its visitor, and shows a page that is slow to make and so cached.

const http = require('node:http');
const { createHistogram } = require('node:perf_hooks');
const memory = require('cluster-shared-memory');
const { NEW_SESSION, textOf, visited } = require('./pages.js');
const { nowMs, sleep } = require('./words.js');

const HOST = '127.0.0.1';
const PAGE_TAKES_MS = 5;
const id = process.env.WORKER;

/** @param {string} name @param {number} page */
async function visit(name, page) {
  const number = await memory.mutex('requests', async () => {
    const { count } = (await memory.get('requests')) ?? { count: 0 };
    await memory.set('requests', { count: count + 1 });
    return count + 1;
  });
  const session = await memory.mutex(`session:${name}`, async () => {
    const changed = visited((await memory.get(`session:${name}`)) ?? NEW_SESSION, page);
    await memory.set(`session:${name}`, changed);
    return changed;
  });
  const text = await cached(page);
  memory.sync.incr(`answered:${id}`);
  return { number, session, text };
}

/** @param {number} page @returns {Promise<string>} */
async function cached(page) {
  const found = await memory.getLRU(page);
  if (found !== undefined) return found;
  memory.sync.incr('made');
  await sleep(PAGE_TAKES_MS);
  const text = textOf(page);
  await memory.setLRU(page, text);
  return text;
}

/** For whoever opens it in a browser. */
async function counters() {
  const { count } = (await memory.get('requests')) ?? { count: 0 };
  const { entries, members, operations } = await memory.stats();
  const rows = Object.entries({
    'requests counted under a mutex': count,
    'notices sent': (await memory.get('notice'))?.number ?? 0,
    'pages made, all others came from the cache': (await memory.get('made')) ?? 0,
    'values in the shared memory': entries,
    'processes that share it': members.length,
    reads: operations.reads,
    writes: operations.writes,
    'answered by the worker with pid': process.pid,
  }).map(([name, number]) => `<tr><td>${name}<td align=right>${number}`);
  return `<!doctype html><meta http-equiv=refresh content=1><table>${rows.join('')}</table>`;
}

/** @param {http.IncomingMessage} request @returns {Promise<object | string | undefined>} */
async function answer({ url = '', headers }) {
  if (url === '/') return counters();
  const name = /^session=(\w+)$/.exec(headers.cookie ?? '')?.[1];
  if (name === undefined) return undefined;
  if (url === '/session') return (await memory.get(`session:${name}`)) ?? NEW_SESSION;
  const page = /^\/page\/(\d+)$/.exec(url)?.[1];
  return page === undefined ? undefined : visit(name, Number(page));
}

const server = http.createServer(async (request, response) => {
  try {
    const found = await answer(request);
    const isPage = typeof found === 'string';
    response.writeHead(found === undefined ? 404 : 200, {
      'content-type': isPage ? 'text/html' : 'application/json',
    });
    response.end(isPage ? found : JSON.stringify(found ?? 'There is no such page.'));
  } catch (error) {
    response.writeHead(500).end(String(error));
  }
});

// What this worker has heard stands in shared memory, where the primary looks at it.
const heard = { first: 0, last: 0, wrong: 0, p50Ns: 0, p99Ns: 0 };
const delays = createHistogram();
memory.listen('notice', ({ number, sentMs }) => {
  if (heard.first === 0) heard.first = number;
  else if (number !== heard.last + 1) heard.wrong += 1;
  heard.last = number;
  delays.record(Math.max(1, Math.round((nowMs() - sentMs) * 1e6)));
  heard.p50Ns = delays.percentile(50);
  heard.p99Ns = delays.percentile(99);
  memory.sync.set(`heard:${id}`, heard);
});

server.on('error', (error) => {
  console.error(error.message);
  process.exit(1);
});
server.listen(Number(process.env.PORT), HOST);
