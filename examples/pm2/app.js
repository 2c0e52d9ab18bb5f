'use strict';

// A shop that PM2 runs in three processes. They count visits, know all sessions and limit the rate
// together. Nothing here says how they find each other, and while PM2 replaces them one by one,
// nothing is lost.
//
//     npm install --global pm2
//     pm2 start examples/pm2/ecosystem.config.js
//     curl http://127.0.0.1:3080/
//     pm2 reload shop
//     curl http://127.0.0.1:3080/
//     pm2 delete shop

const cluster = require('node:cluster');
const { randomUUID } = require('node:crypto');
const http = require('node:http');
const memory = require('cluster-shared-memory');

const HOST = '127.0.0.1';
const PORT = Number(process.env.PORT ?? 3080);
const SESSION_MS = 30 * 60_000;
const LIMIT = 20;
const WINDOW_MS = 10_000;

/** So many requests of an address in each window, whoever answers them. @param {string} address */
async function isAllowed(address) {
  const window = Math.floor(Date.now() / WINDOW_MS);
  return (await memory.incr(`used:${address}:${window}`, 1, { ttl: WINDOW_MS })) <= LIMIT;
}

/** Two processes may serve one user at the same time: update loses neither visit. @param {string} id */
function visit(id) {
  const next = (/** @type {{ visits: number } | undefined} */ session) => ({
    visits: (session?.visits ?? 0) + 1,
  });
  return memory.update(`session:${id}`, next, { ttl: SESSION_MS });
}

const server = http.createServer(async (request, response) => {
  if (!(await isAllowed(String(request.socket.remoteAddress)))) {
    response.writeHead(429).end('Too many requests, wait a little.\n');
    return;
  }
  const id = /\bsession=([\w-]{36})/.exec(request.headers.cookie ?? '')?.[1] ?? randomUUID();
  const count = await memory.incr('visits');
  const { visits } = await visit(id);
  response.setHeader('set-cookie', `session=${id}; HttpOnly; SameSite=Lax`);
  response.end(`visit ${count}, and ${visits} by you; process ${process.pid} is at your service\n`);
});

server.listen(PORT, HOST, () => {
  console.log('listens at', server.address());
  process.send?.('ready');
});

// So PM2 asks a process to leave. It serves whoever it has been given, and leaves the rest to others.
process.once('SIGINT', () => {
  if (cluster.worker) cluster.worker.disconnect();
  else server.close();
});
process.once('disconnect', () => process.exit());
