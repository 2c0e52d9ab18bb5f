'use strict';

// Conducts a scenario: every peer has processes of its own, and they take turns round by round, so
// that what disturbs the machine for a while disturbs all alike. Who is not in turn idles.

const { Stage } = require('./stage.js');

/** @typedef {import('./peers/index.js').Peer} Peer */
/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {import('./scenarios/index.js').Stage} AnyStage */

/** One round in so many where each needs new processes. */
const FRESH = 4;

/**
 * What came of a scenario for one peer.
 * @typedef {object} Outcome
 * @property {string} peer
 * @property {import('./scenarios/index.js').Figures[]} rounds
 * @property {string} [trouble] why there are none
 * @property {boolean} pinned
 */

/** A peer that is being measured. */
class Player {
  /** @type {Outcome} */
  outcome;
  #peer;
  #scenario;
  /** @type {AnyStage | undefined} */
  #stage;

  /**
   * @param {Peer} peer
   * @param {Scenario} scenario
   */
  constructor(peer, scenario) {
    this.outcome = { peer: peer.name, rounds: [], pinned: true };
    this.#peer = peer;
    this.#scenario = scenario;
  }

  /** Gives the peer its processes. */
  async enter() {
    await this.#attempt(async () => {
      const { cpus, needs, prepare } = this.#scenario;
      this.#stage = new Stage(this.#peer);
      const missing = await this.#stage.open({ cpus, needs });
      if (missing.length > 0) throw new Error(`not there yet: ${missing.join(', ')}`);
      this.outcome.pinned = this.#stage.pinned;
      await prepare?.(this.#stage);
    });
  }

  /** @param {{ ms: number, counts: boolean }} round */
  async play({ ms, counts }) {
    await this.#attempt(async () => {
      const figures = await this.#scenario.round(/** @type {AnyStage} */ (this.#stage), { ms });
      if (counts) this.outcome.rounds.push(figures);
    });
  }

  async leave() {
    await this.#stage?.end();
    this.#stage = undefined;
  }

  /** Whoever fails once is out; the others go on. @param {() => Promise<void>} run */
  async #attempt(run) {
    if (this.outcome.trouble !== undefined) return;
    try {
      await run();
    } catch (error) {
      this.outcome.trouble = /** @type {Error} */ (error).message;
      this.outcome.rounds = [];
      await this.leave();
    }
  }
}

/**
 * @param {Scenario} scenario
 * @param {Peer[]} peers
 * @param {{ rounds: number, ms: number, progress: (text: string) => void }} options
 * @returns {Promise<Outcome[]>} in the order of the peers
 */
async function conduct(scenario, peers, { rounds, ms, progress }) {
  const players = peers.map((peer) => new Player(peer, scenario));
  const most = scenario.fresh ? Math.ceil(rounds / FRESH) : (scenario.rounds ?? rounds);
  const count = Math.min(rounds, most);
  progress(`${scenario.name}: starts`);
  if (!scenario.fresh) {
    for (const player of players) await player.enter();
    progress(`${scenario.name}: warms up`);
    for (const player of players) await player.play({ ms, counts: false });
  }
  for (let round = 0; round < count; round += 1) {
    progress(`${scenario.name}: round ${round + 1} of ${count}`);
    // Nobody is always the first, or always behind the same other.
    const order = round % 2 === 0 ? players : [...players].reverse();
    for (const player of order) {
      if (scenario.fresh) await player.enter();
      await player.play({ ms, counts: true });
      if (scenario.fresh) await player.leave();
    }
  }
  for (const player of players) await player.leave();
  return players.map(({ outcome }) => outcome);
}

module.exports = { conduct };
