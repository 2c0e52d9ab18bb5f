/**
 * The seam between lib/ and the addon: all that binding.js, the generated loader, exports. lib/
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
  /** Which thread of the process this is, as `threadId` of node:worker_threads. */
  thread: number;
  /** The engine writes the tag of the last value read into the first element. */
  status: Uint32Array;
  /** Makes every error that the engine throws; `details` become properties of the error. */
  makeError(code: string, message: string, details?: object | null): Error;
  /** Hears of problems in the background, on the thread of this environment. */
  warn(message: string): void;
}

/** Synchronous methods; a failed one throws what `makeError` returned. */
export interface Engine {
  /** Before the segment exists; 0 leaves a setting as it is. `mode`: 1 json, 2 advanced. */
  configure(maxBytes: number, mode: number): void;
  /** The maximum as long as nobody configures another. */
  suggest(maxBytes: number): void;
  /** false: no hub answers yet, which only happens in a worker. */
  attach(timeoutMs: number): boolean;
  get(key: string): unknown;
  has(key: string): boolean;
  set(key: string, payload: unknown, tag: number): void;
  /** Whether there was something to remove. */
  remove(key: string): boolean;
  incr(key: string, by: number): number;
  /** What the segment was made with, once attached: 0 not chosen, 1 json, 2 advanced. */
  mode(): number;
  /** JSON text of the figures that `Stats` in index.d.ts describes. */
  stats(): string;
  /** Detaches this environment; what is called later throws ERR_CLOSED. */
  close(): void;
}
