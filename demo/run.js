'use strict';

// The main job, to be watched: `npm start`. Three acts share one memory: processes count together,
// an HTTP cluster is under load, workers time their operations. Processes are killed on the way. It
// ends by itself and says what was counted, what was lost (nothing), and how fast it was.
//
//     npm start -- --seconds 600 --port 8080

const cluster = require('node:cluster');
const { Counting, PROCESSES } = require('./counting.js');
const { parse, usage } = require('./options.js');
const { countingText, report, servingText } = require('./report.js');
const { Screen } = require('./screen.js');
const { Serving } = require('./serving.js');
const { measure } = require('./speed.js');
const { whole } = require('./words.js');

/** As a shell numbers an end by Ctrl-C. */
const INTERRUPTED = 130;

/** @param {import('./options.js').Options} options @param {InstanceType<typeof Screen>} screen */
async function play(options, screen) {
  const { count, workers } = options;
  screen.keep(
    'The processes of a Node.js application share values, locks, notices, a cache.',
    'Some are killed with SIGKILL on the way. Nothing may be lost by that.',
    '',
    `1 of 3: ${PROCESSES} processes count to ${whole(count)} together`,
  );
  const counting = await new Counting(count).run(screen);
  screen.keep(...countingText(counting), '');
  screen.keep(`2 of 3: an HTTP cluster of ${workers} workers under load`);
  const serving = await new Serving(options).run(screen);
  screen.keep(...servingText(serving), '');
  screen.keep(`3 of 3: ${workers} workers time their operations`);
  const speeds = await measure(workers);
  const { lines, isRight } = report({ counting, serving, speeds });
  screen.keep(...lines);
  return isRight ? 0 : 1;
}

/** Whatever happens, no process is left behind. */
function endAll() {
  for (const worker of Object.values(cluster.workers ?? {})) worker?.process.kill('SIGKILL');
}

async function main() {
  const options = readOptions();
  const screen = await Screen.open();
  process.on('exit', endAll);
  for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP']) {
    process.on(signal, () => {
      screen.close();
      console.log('Ended before it was done.');
      process.exit(INTERRUPTED);
    });
  }
  try {
    process.exitCode = await play(options, screen);
    screen.close();
  } catch (error) {
    screen.close();
    console.error(`It failed: ${error instanceof Error ? error.message : error}`);
    process.exit(1);
  }
}

function readOptions() {
  const args = process.argv.slice(2);
  if (args.includes('--help')) {
    console.log(usage());
    process.exit(0);
  }
  try {
    return parse(args);
  } catch (error) {
    console.error(`${error instanceof Error ? error.message : error}\n${usage()}`);
    process.exit(2);
  }
}

main();
