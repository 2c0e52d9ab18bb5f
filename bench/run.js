'use strict';

// npm run bench: this package beside its peers, and beside the floors of the same run. What it can
// do stands in options.js, and what it measures in scenarios/.

const fs = require('node:fs');
const os = require('node:os');
const { Cast } = require('./cast.js');
const { markdownOf } = require('./markdown.js');
const { HELP, UsageError, listText, optionsOf } = require('./options.js');
const { muster, ours } = require('./peers/index.js');
const { pictureOf } = require('./picture.js');
const { Progress } = require('./progress.js');
const { read, reportOf, write } = require('./report.js');
const { sceneOf } = require('./results.js');
const { headText, sceneText, summaryText, tableText } = require('./table.js');
const { conduct } = require('./turns.js');

/** @typedef {ReturnType<typeof optionsOf>} Options */
/** @typedef {import('./peers/index.js').Peer} Peer */
/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {import('./report.js').Report} Report */

/**
 * Ours, and whoever has what a scenario needs.
 * @param {Scenario} scenario
 * @param {Peer[]} peers
 */
function players({ needs, beside }, peers) {
  const takesPart = (/** @type {Peer} */ { name, has }) =>
    needs.every((call) => has.includes(call)) && (beside?.includes(name) ?? true);
  return [ours, ...peers.filter(takesPart)];
}

/**
 * Measures, and tells what it finds as it goes.
 * @param {Options} options
 * @returns {Promise<Report>}
 */
async function measure({ scenarios, peers, effort, quick }) {
  const [loadBefore] = os.loadavg();
  const progress = new Progress(scenarios.length);
  const { present, absent } = muster(peers, (text) => console.error(text));
  const cast = new Cast({ stays: quick });
  /** @type {Report['scenes']} */
  const scenes = [];
  const { rounds, ms } = effort;
  const report = () =>
    reportOf({ peers: present, absent, effort: { rounds, ms, quick }, scenes, loadBefore });
  console.log(headText(report()));
  for (const [index, scenario] of scenarios.entries()) {
    progress.begin(scenario.title);
    const tell = (/** @type {string} */ text) => progress.tell(text);
    const outcomes = await conduct(scenario, players(scenario, present), { cast, effort, tell });
    await cast.thinOut(scenarios.slice(index + 1));
    scenes.push(sceneOf(scenario, outcomes));
    progress.clear();
    console.log(sceneText(scenes[index]));
  }
  console.log(summaryText(scenes));
  return report();
}

async function main() {
  const options = optionsOf(process.argv.slice(2));
  if (options.help) return console.log(HELP);
  if (options.list) return console.log(listText());
  const { from, files } = options;
  const report = from === undefined ? await measure(options) : read(from);
  const { json, svg, markdown } = files;
  if (from !== undefined && !json && !svg && !markdown) console.log(tableText(report));
  if (json) write(json, report);
  if (svg) fs.writeFileSync(svg, pictureOf(report));
  if (markdown) fs.writeFileSync(markdown, markdownOf(report));
}

main().then(
  () => process.exit(),
  (error) => {
    console.error(error.message);
    process.exit(error instanceof UsageError ? 2 : 1);
  },
);
