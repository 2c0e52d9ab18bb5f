'use strict';

// Who is on stage. Each scenario has processes of its own; in a quick run those of a peer stay on
// for the later scenarios that ask for the same CPUs, for starting takes most of its time.

const { Stage } = require('./stage.js');

/** @typedef {import('./peers/index.js').Peer} Peer */
/** @typedef {import('./scenarios/index.js').Scenario} Scenario */
/** @typedef {InstanceType<typeof Stage>} AnyStage */

class Cast {
  #stays;
  /** @type {Map<string, AnyStage>} */
  #waiting = new Map();

  /** @param {{ stays: boolean }} options */
  constructor({ stays }) {
    this.#stays = stays;
  }

  /**
   * @param {Peer} peer
   * @param {Scenario} scenario
   * @returns {Promise<AnyStage>}
   */
  async enter(peer, { cpus, fresh }) {
    const key = keyOf(peer, cpus);
    const waiting = fresh ? undefined : this.#waiting.get(key);
    if (waiting) {
      this.#waiting.delete(key);
      return waiting;
    }
    const stage = new Stage(peer);
    try {
      await stage.open(cpus);
    } catch (error) {
      await stage.end();
      throw error;
    }
    return stage;
  }

  /**
   * @param {AnyStage} stage
   * @param {Peer} peer
   * @param {Scenario} scenario
   */
  async leave(stage, peer, { cpus, fresh }) {
    if (this.#stays && !fresh) this.#waiting.set(keyOf(peer, cpus), stage);
    else await stage.end();
  }

  /** Ends those whom nobody asks for any more. @param {Scenario[]} later */
  async thinOut(later) {
    const asked = new Set(later.map(({ cpus }) => String(cpus)));
    for (const [key, stage] of this.#waiting) {
      if (asked.has(key.slice(key.indexOf(':') + 1))) continue;
      this.#waiting.delete(key);
      await stage.end();
    }
  }
}

/** @type {(peer: Peer, cpus: number[]) => string} */
const keyOf = ({ name }, cpus) => `${name}:${cpus}`;

module.exports = { Cast };
