'use strict';

// All workers of an HTTP cluster count their requests together: the program that ships with 1.1.5,
// in its spirit.
//
//     node examples/counter-http.js              asks itself 100 times, and ends
//     node examples/counter-http.js --serve      serves until Ctrl-C, on port 3080 or PORT

const cluster = require('node:cluster');
const { once } = require('node:events');
const http = require('node:http');
const memory = require('cluster-shared-memory');

const WORKERS = 3;
const HOST = '127.0.0.1';
const isServing = process.argv.includes('--serve');
const wantedPort = isServing ? Number(process.env.PORT ?? 3080) : 0;

function worker() {
  const server = http.createServer(async (_request, response) => {
    // Between get and set nobody else is in a mutex of this key, in whichever process.
    const count = await memory.mutex('requests', async () => {
      const requests = ((await memory.get('requests')) ?? 0) + 1;
      await memory.set('requests', requests);
      return requests;
    });
    response.end(`request ${count}, answered by worker ${cluster.worker?.id}\n`);
  });
  server.listen(wantedPort, HOST);
}

/** A new connection each, so that all workers get some. @param {number} port */
async function ask(port) {
  const request = http.get({ host: HOST, port, agent: false });
  const [response] = await once(request, 'response');
  return Buffer.concat(await response.toArray()).toString();
}

/** @param {number} port */
async function askOften(port) {
  const answers = await Promise.all(Array.from({ length: 100 }, () => ask(port)));
  const workers = new Set(answers.map((answer) => /worker \d+/.exec(answer)?.[0]));
  console.log(`${answers.length} requests were answered by ${workers.size} workers`);
  console.log(`${new Set(answers).size} different answers, such as: ${answers[0].trim()}`);
  console.log(`counted: ${await memory.get('requests')}`);
  cluster.disconnect();
}

function primary() {
  let listening = 0;
  cluster.on('listening', (_worker, { port }) => {
    listening += 1;
    if (listening < WORKERS) return;
    if (isServing) console.log(`http://${HOST}:${port}, until Ctrl-C`);
    else askOften(port);
  });
  for (let i = 0; i < WORKERS; i += 1) cluster.fork();
}

if (cluster.isPrimary) primary();
else worker();
