'use strict';

// Conducts a scenario: every peer has processes of its own, and they take turns round by round, so
// that what disturbs the machine for a while disturbs all alike. Who is not in turn idles.

/** @typedef {import('./peers/index.js').Peer} Peer */
/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {import('./scenarios/index.js').Stage} Stage */
/** @typedef {InstanceType<typeof import('./cast.js').Cast>} Cast */

/** One round in so many where each needs new processes. */
const FRESH = 4;

/**
 * How much is done: so many rounds, whose parts last so long, and those of one more before them.
 * @typedef {{ rounds: number, ms: number, warmUpMs: number }} Effort
 */

/**
 * What came of a scenario for one peer.
 * @typedef {object} Outcome
 * @property {Peer} peer
 * @property {import('./scenarios/index.js').Figures[]} rounds
 * @property {string} [trouble] why there are none
 * @property {boolean} pinned
 */

/** A peer that is being measured. */
class Player {
  /** @type {Outcome} */
  outcome;
  #scenario;
  #cast;
  /** @type {Stage | undefined} */
  #stage;

  /**
   * @param {Peer} peer
   * @param {Scenario} scenario
   * @param {Cast} cast
   */
  constructor(peer, scenario, cast) {
    this.outcome = { peer, rounds: [], pinned: true };
    this.#scenario = scenario;
    this.#cast = cast;
  }

  /** Gives the peer its processes. */
  async enter() {
    await this.#attempt(async () => {
      const { needs, prepare } = this.#scenario;
      const { peer } = this.outcome;
      const missing = needs.filter((call) => !peer.has.includes(call));
      if (missing.length > 0) throw new Error(`not there yet: ${missing.join(', ')}`);
      this.#stage = await this.#cast.enter(peer, this.#scenario);
      this.outcome.pinned = this.#stage.pinned;
      await this.#stage.prepare(prepare);
    });
  }

  /** @param {{ ms: number, counts: boolean }} round */
  async play({ ms, counts }) {
    await this.#attempt(async () => {
      const figures = await this.#scenario.round(/** @type {Stage} */ (this.#stage), { ms });
      if (counts) this.outcome.rounds.push(figures);
    });
  }

  async leave() {
    const stage = this.#stage;
    this.#stage = undefined;
    if (stage) await this.#cast.leave(stage, this.outcome.peer, this.#scenario);
  }

  /** Whoever fails once is out; the others go on. @param {() => Promise<void>} run */
  async #attempt(run) {
    if (this.outcome.trouble !== undefined) return;
    try {
      await run();
    } catch (error) {
      this.outcome.trouble = /** @type {Error} */ (error).message;
      this.outcome.rounds = [];
      await this.#stage?.end();
      this.#stage = undefined;
    }
  }
}

/**
 * @param {Scenario} scenario
 * @param {Peer[]} peers
 * @param {{ cast: Cast, effort: Effort, tell: (text: string) => void }} options
 * @returns {Promise<Outcome[]>} in the order of the peers
 */
async function conduct(scenario, peers, { cast, effort, tell }) {
  const { ms, warmUpMs } = effort;
  const players = peers.map((peer) => new Player(peer, scenario, cast));
  const all = (/** @type {(player: Player) => Promise<void>} */ run) =>
    Promise.all(players.map(run));
  if (!scenario.fresh) {
    tell('starts');
    await all((player) => player.enter());
    tell('warms up');
    for (const player of players) await player.play({ ms: warmUpMs, counts: false });
  }
  const rounds = roundsOf(scenario, effort);
  for (let round = 0; round < rounds; round += 1) {
    tell(`round ${round + 1} of ${rounds}`);
    // Nobody is always the first, or always behind the same other.
    const order = round % 2 === 0 ? players : [...players].reverse();
    for (const player of order) {
      if (scenario.fresh) await player.enter();
      await player.play({ ms, counts: true });
      if (scenario.fresh) await player.leave();
    }
  }
  await all((player) => player.leave());
  return players.map(({ outcome }) => outcome);
}

/** @type {(scenario: Scenario, effort: Effort) => number} */
function roundsOf({ fresh, rounds: most = Number.POSITIVE_INFINITY }, { rounds }) {
  return fresh ? Math.ceil(rounds / FRESH) : Math.min(rounds, most);
}

module.exports = { conduct };
