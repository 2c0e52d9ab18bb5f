/**
 * The seam between lib/ and the addon: all that the addon, which lib/binding.js loads, exports. lib/
 * knows no offsets and no threads; another engine could stand behind the same few methods.
 */

/**
 * A variable of the environment that the process was started with, in all of its threads; null if
 * that cannot be read.
 */
export function initialEnv(name: string): string | null | undefined;

/**
 * The engine of this JavaScript environment: a main thread or a worker_thread. In a primary it also
 * starts the hub, once per process. The segment is not made before the first operation.
 */
export function open(host: Host): Engine;

export interface Host {
  /** The role of the process, whichever of its threads asks. */
  role: 'primary' | 'worker';
  /** Of those that the process shares with, unless it is configured otherwise. */
  name: string | undefined;
  /** Which thread of the process this is, as `threadId` of node:worker_threads. */
  thread: number;
  /** Words in which the engine tells what a value is, and more; see lib/status.js. */
  status: Uint32Array;
  /** Makes every error that the engine throws; `details` become properties of the error. */
  makeError(code: string, message: string, details?: object | null): Error;
  /** Hears of problems in the background, on the thread of this environment. */
  warn(message: string): void;
  /** Is called when there is something for `next` to give, and not again before it gave nothing. */
  news(): void;
  /** How many processors the process may use. */
  processors: number;
}

/** Synchronous methods on keys; a failed one throws what `makeError` returned. */
export interface Face {
  get(key: string): unknown;
  /** As `get`; nothing, and the status says so, if the value is still that of the version. */
  getNew(key: string, version: number): unknown;
  has(key: string): boolean;
  set(key: string, payload: unknown, tag: number): void;
  /** Whether there was something to remove. */
  remove(key: string): boolean;
  incr(key: string, by: number): number;
  /** The same; a number that begins now ends so many ms later. */
  incrFor(key: string, by: number, ttlMs: number): number;
  /**
   * The version of the change; 0: the condition does not hold. `ttlMs`: infinite for ever;
   * `condition`: 0 none, 1 absent, 2 present, 3 of that version.
   */
  put(
    key: string,
    payload: unknown,
    tag: number,
    ttlMs: number,
    condition: number,
    version: number,
  ): number;
  /** Sets, and gives what stood there before. */
  exchange(key: string, payload: unknown, tag: number, ttlMs: number): unknown;
  /** Removes, and gives what stood there. */
  take(key: string): unknown;
  /** Whether there is such an entry, which ends so many ms from now. */
  touch(key: string, ttlMs: number): boolean;
  /** How many ms are left, infinite for ever, 0 if there is none. */
  ttl(key: string): number;
  /** Keys from a place on, about `wanted`; the status says where to go on. */
  scan(shard: number, low: number, high: number, prefix: string, wanted: number): string[];
  /** Removes some keys from a place on, and gives how many; the status says where to go on. */
  clearSome(shard: number, low: number, high: number): number;
  /** JSON text of entries, bytes and maximum. */
  usage(): string;
  /** How many bytes they may have; 0: no bound. */
  bound(bytes: number): void;
  /**
   * The number of the ticket, which holds the lock; negative if it has to wait. The second and third
   * element of the status say where the lock stands.
   */
  lock(key: string): number;
  /** Whether nobody has asked after that ticket, not let go of, for the lock that stands there. */
  isLast(ticket: number, low: number, high: number): boolean;
  /** 0; -1: the ticket does not hold the lock; or the ticket of this environment that does now. */
  unlock(key: string, ticket: number, patienceMs: number): number;
  /** The id of the watch, under which `next` tells of all changes of the key. */
  watch(key: string): number;
  unwatch(id: number): void;
  lruGet(key: string): unknown;
  /**
   * 0: it is in the cache; 1: it is too long for it; 2: nothing was done, for it is to be measured
   * first. `isMeasured`: 1 if `length` is given.
   */
  lruSet(key: string, payload: unknown, tag: number, isMeasured: number, length: number): number;
  /** Whether it was in the cache. */
  lruRemove(key: string): boolean;
}

export interface Engine extends Face {
  /** The same for keys of the package's own. */
  package: Face;
  /** The same for the keys of a namespace. */
  namespace(name: string): Face;
  /**
   * A new, empty cache. `max` and `maxAge` in ms: 0 is no bound; `flags`: 1 stale, 2 noDisposeOnSet,
   * 4 updateAgeOnGet, 8 dispose: this environment inherits what leaves the cache, 16 length.
   */
  lruOptions(max: number, maxAge: number, flags: number): void;
  /** Whether the cache has these options; it stays as it is, but for who has the functions. */
  lruAdopt(max: number, maxAge: number, flags: number): boolean;
  /** The sum of 1 if the cache has these options, 2 if there is an heir, 4 if somebody measures. */
  lruStanding(max: number, maxAge: number, flags: number): number;
  /** Key and value of what has left the cache and waits for this environment; the tag in status. */
  lruInherit(): [key: string, raw: unknown] | undefined;
  /** Frees a little of what former caches held; whether there is more. */
  lruSweep(): boolean;
  /** 0: nobody measures what is set; 1: another environment does; 2: this one. */
  lruMeasured(): number;
  /** How many `lruInherit` will never give, since the options were set: too many waited for it. */
  lruLost(): number;
  /** Whether the cache has made room for so many bytes, or may have. */
  lruGiveWay(bytes: number): boolean;
  /** The next thing to hear of, told by the status. */
  next(): unknown;
  /** The next call of `next` looks at everything, though nobody may have told of it. */
  look(): void;
  /** Before the segment exists; 0 leaves a setting as it is. `mode`: 1 json, 2 advanced. */
  configure(maxBytes: number, mode: number, logBytes: number): void;
  /** With all processes that give that name; with `''`, as a cluster does. Before attaching. */
  share(name: string): void;
  /** The file that the memory of a name begins with and is left in. Before attaching. */
  snapshot(file: string): void;
  /** Of those that this environment shares with, or will; `''` where that is its cluster. */
  name(): string;
  /** The maximum as long as nobody configures another. */
  suggest(maxBytes: number): void;
  /** This environment waits for no hub any more. */
  letGo(): void;
  /** 0: no hub answers yet; 1: attached; 2: a snapshot is being read, the status says how far. */
  attach(timeoutMs: number): number;
  /** What the segment was made with, once attached: 0 not chosen, 1 json, 2 advanced. */
  mode(): number;
  /** Tells lock ids of this segment from those of another; 8 hexadecimal digits. */
  nonce(): string;
  /** Checks the whole segment, which nobody may use meanwhile; a census as JSON text. */
  verify(): string;
  /** JSON text of the figures that `Stats` in index.d.ts describes. */
  stats(): string;
  /** Detaches this environment; what is called later throws ERR_CLOSED. */
  /** What people should know of it, if anything. */
  close(): string | undefined;
}
