'use strict';

// Sessions that every worker knows: whoever gets the next request of a user goes on where another
// worker stopped. They live in the LRU cache, so they expire by themselves, and a flood of them
// cannot fill the memory.
//
//     node examples/sessions.js

const cluster = require('node:cluster');
const { randomUUID } = require('node:crypto');
const { once } = require('node:events');
const http = require('node:http');
const { setTimeout: sleep } = require('node:timers/promises');
const memory = require('cluster-shared-memory');

const WORKERS = 3;
const HOST = '127.0.0.1';
const EXPIRES_MS = 2000;

/** @param {string} user */
async function logIn(user) {
  const id = randomUUID();
  await memory.setLRU(`session:${id}`, { user, cart: [] });
  return { id };
}

/**
 * Two requests of one user may be with two workers at the same time: a change needs the mutex.
 * @type {(id: string, article: string) => Promise<{ user: string, cart: string[] } | undefined>}
 */
function buy(id, article) {
  return memory.mutex(`session:${id}`, async () => {
    const session = await memory.getLRU(`session:${id}`);
    if (session === undefined) return undefined;
    session.cart.push(article);
    await memory.setLRU(`session:${id}`, session);
    return session;
  });
}

function worker() {
  const server = http.createServer(async (request, response) => {
    const [, action, first, second] = (request.url ?? '').split('/');
    /** @type {Record<string, () => Promise<unknown>>} */
    const actions = {
      login: () => logIn(first),
      buy: () => buy(first, second),
      logout: () => memory.removeLRU(`session:${first}`),
    };
    const result = (await actions[action]?.()) ?? 'no such session';
    response.end(JSON.stringify({ worker: cluster.worker?.id, result }));
  });
  server.listen(0, HOST);
}

/** A browser that makes a new connection each time: another worker answers. */
class Browser {
  #port;

  /** @param {number} port */
  constructor(port) {
    this.#port = port;
  }

  /** @param {string} path @returns {Promise<any>} */
  async open(path) {
    const request = http.get({ host: HOST, port: this.#port, path, agent: false });
    const [response] = await once(request, 'response');
    const { worker, result } = JSON.parse(Buffer.concat(await response.toArray()).toString());
    const [, action, , article = ''] = path.split('/');
    console.log(`worker ${worker}: ${`${action} ${article}`.padEnd(12)} ${JSON.stringify(result)}`);
    return result;
  }
}

/** @param {number} port */
async function browse(port) {
  const browser = new Browser(port);
  const { id } = await browser.open('/login/tom');
  for (const article of ['tea', 'cups', 'milk']) await browser.open(`/buy/${id}/${article}`);
  await browser.open(`/logout/${id}`);
  await browser.open(`/buy/${id}/sugar`);

  const { id: forgotten } = await browser.open('/login/ann');
  console.log(`${EXPIRES_MS} ms later`);
  await sleep(EXPIRES_MS + 100);
  await browser.open(`/buy/${forgotten}/bread`);
  cluster.disconnect();
}

function primary() {
  memory.setLRUOptions({ max: 10_000, maxAge: EXPIRES_MS, updateAgeOnGet: true });
  let listening = 0;
  cluster.on('listening', (_worker, { port }) => {
    listening += 1;
    if (listening === WORKERS) browse(port);
  });
  for (let i = 0; i < WORKERS; i += 1) cluster.fork();
}

if (cluster.isPrimary) primary();
else worker();
