/**
 * Values in real shared memory for the processes of one Node.js application.
 *
 * The primary of a cluster, its workers, and the worker_threads of each of them share one store. A
 * single process uses it as a local store. Reading and writing wake no other process.
 *
 *     const memory = require('cluster-shared-memory');   // in the primary and in the workers
 *     await memory.set('user', { name: 'Tom' });
 *     await memory.get('user');                          // { name: 'Tom' }, in any process
 */
declare const memory: memory.SharedMemory;

declare namespace memory {
  /**
   * Numbers and booleans stand for the string they print as: `1` and `'1'` are one key. Every
   * string is an ordinary key: `''`, `'__proto__'`, any UTF-16. At most 2000 UTF-16 code units.
   */
  type Key = string | number | boolean;

  /**
   * How objects are stored.
   * - `'json'`: as `JSON.stringify` writes them. A Date comes back as a string, a Map as `{}`.
   * - `'advanced'`: as structured clones: Date, Map, Set, RegExp, BigInt, cycles are kept.
   *
   * In both modes `undefined`, `null`, booleans, numbers (`NaN`, `-0` and `Infinity` too), strings,
   * Buffers and Uint8Arrays come back as they were. Every value that is read is a copy.
   */
  type Mode = 'json' | 'advanced';

  /**
   * Gets the outcome of a call, once and as its only argument: the value, or the Error with which it
   * failed. The promise of the call tells the same; it need not be waited for.
   */
  type Callback<T> = (outcome: T | Error) => void;

  interface Options {
    /**
     * With whom to share: with all processes of the same user that give the same name, however they
     * were started, instead of the workers of one cluster. The first one makes the memory, the last
     * one to leave takes it along; each counts as much as any other. All threads of a process share by
     * the same name. It joins in the turn of the event loop after the package was loaded or this was
     * called, or with its first operation: so configure in the same turn. In a cluster's primary it holds for
     * its workers too, unless one has begun already.
     *
     * 1 to 48 letters, digits, or any of `. _ : @ -`. Default: that of the environment variable
     * `CLUSTER_SHARED_MEMORY_NAME`; for the workers of PM2's cluster mode, a name of their app; else
     * none.
     */
    name?: string;
    /**
     * With a name: a file with all entries of all namespaces, without locks and the LRU. Whoever makes
     * the memory reads it before anybody is let in; the last to leave by `close()` or by its normal end
     * writes it, as a whole or not at all. If the file is damaged, the first operations of who reads
     * it fail with `ERR_SNAPSHOT`, it is kept under another name, and the memory begins empty. Until
     * they are told, the calls of others fail with `ERR_NO_HOST` as where nobody answers. If it is
     * no snapshot, one of a newer format, of another user, or writable by everybody, or if its folder is
     * missing or cannot be written to, all operations fail with `ERR_SNAPSHOT`, and it stays as it is.
     * A file that the memory has not begun with is kept as `FILE.replaced-N` when it is written. If its
     * entries do not fit into `maxMemory`, the memory may take up to twice as much.
     */
    snapshot?: string;
    /**
     * Is called now and then while that file is being read and this process waits for it. The total is
     * 0 as long as the file is only being checked.
     */
    progress?: (progress: { entries: number; total: number }) => void;
    /** `'tree'`: by no name, whatever the defaults are; a primary and its workers, a process alone. */
    scope?: 'tree';
    /**
     * The most memory that keys, values and bookkeeping may take together: a number of bytes, or a
     * text such as `'512mb'`, `'2 GiB'`, `'1.5g'` (units of 1024, in any case). From 16 MiB to
     * 8 TiB. Memory is taken as it is needed, so a large maximum costs nothing.
     *
     * Only in the primary, or by whoever makes the memory of a name, and only before the first operation and before a worker attaches.
     *
     * Default: the environment variable `CLUSTER_SHARED_MEMORY_MAX` (same forms), or else a quarter
     * of the memory that the process may use (of the machine or of its container).
     */
    maxMemory?: number | string;
    /**
     * How much of that may be kept for listeners that have not heard of a change yet: forms as above,
     * from 64 KiB to a quarter of the maximum. Divided among the parts of the store (`shards` of
     * `stats()`). Default: a 64th of the maximum. Only in the primary, as above.
     */
    log?: number | string;
    /**
     * How this thread stores objects from now on, and, if the primary says so before the first
     * operation, how all processes do. Values are read as they were stored, in every mode.
     * Default: `'advanced'` where the cluster's `serialization` setting is, else `'json'`.
     */
    mode?: Mode;
    /**
     * How much text this thread keeps decoded, for each set of keys: an object that is read again and
     * was not changed since, by anybody, is copied instead of parsed anew. Sizes as above, in UTF-16
     * units; each object in a value counts as some more. 0: nothing is kept. Where values change too
     * often for it to pay, it rests by itself. What is read is never older for it. Default: 8 MiB.
     */
    valueCache?: number | string;
  }

  /** How long something stays. */
  interface Lifetime {
    /**
     * Milliseconds from now, above 0, until the entry ends: nobody gets it from then on, and its memory
     * comes back soon. The clock is that of the machine since its start, which nobody can set.
     * Default: `Infinity`, it stays.
     */
    ttl?: number;
  }

  /** A value, and the version of the change that made it what it is. */
  interface Versioned<T> {
    /** `undefined` where there is none. */
    value: T | undefined;
    /**
     * Versions of a key rise with every change of its value, and are no times nor counts. 0: there is
     * no such entry.
     */
    version: number;
  }

  /** Which keys `keys` and `entries` give. */
  interface KeyOptions {
    /** What the keys begin with. Default: `''`, all. */
    prefix?: string;
  }

  interface NamespaceOptions {
    /**
     * How many bytes the entries of the namespace may take together, their bookkeeping included; forms
     * as of `configure`, from 4 KiB. What was said last counts, for all processes. Writers at work at
     * the same time may exceed it by what they are writing. Default: what it was, or no bound.
     */
    maxMemory?: number | string;
  }

  /** The options of lru-cache 6; all that is not given is as here by default. */
  interface LRUOptions {
    /** Bound of the sum of all lengths; without `length`, of the number of keys. 0: none. 10000. */
    max?: number;
    /** How long an entry is good, in ms, from when it was set; 0: for ever. 300000. */
    maxAge?: number;
    /**
     * How long a value is, 1 by default. Runs in the primary, also for what others set: their
     * `setLRU` then waits for it.
     */
    // biome-ignore lint/suspicious/noExplicitAny: the values of a cache have no common type
    length?: (value: any, key: string) => number;
    /** Is called in the primary with what has left the cache, for whatever reason, in order. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    dispose?: (key: string, value: any) => void;
    /** Whether an expired value is given once. false. */
    stale?: boolean;
    /** Whether `dispose` does not hear of values that are replaced. false. */
    noDisposeOnSet?: boolean;
    /** Whether `getLRU` starts the age of an entry anew. false. */
    updateAgeOnGet?: boolean;
  }

  interface Stats {
    /** What the processes share by, see `configure`; null: they are a cluster's, or one alone. */
    name: string | null;
    /**
     * The process that admits others and mends what the dead leave: a cluster's primary; by a name,
     * any of those that share, and when it ends another. Null while nobody does.
     */
    host: number | null;
    /** Number of keys, those of all namespaces together. */
    entries: number;
    /**
     * Bytes of the shared memory. `used` is what is taken of `maximum`, in whole pages; `entries` is
     * what the keys and values in them need.
     */
    bytes: { used: number; free: number; maximum: number; entries: number };
    /** Independent parts of the store; writers of different parts never meet. */
    shards: number;
    /** What each namespace holds; `bytes` of blocks in use, and of them at most `maximum` (0: no bound). */
    namespaces: Array<{ name: string; entries: number; bytes: number; maximum: number }>;
    /** The threads of all processes that are attached. `self` is the one that asks. */
    members: Array<{ id: number; pid: number; thread: number; self: boolean }>;
    /** Operations of all members since the memory was made. */
    operations: { reads: number; writes: number };
    /** How often a writer had to wait for another one. */
    latchWaits: number;
    /** How often something was mended that a member left half done when it died. */
    repairs: number;
  }

  /**
   * Every code that `error.code` may have, and what the caller can do.
   *
   * Wrong calls:
   * - `ERR_INVALID_ARG_TYPE` (TypeError): an argument of a wrong type; a function or a symbol as
   *   value.
   * - `ERR_INVALID_ARG_VALUE` (TypeError): an unknown option, mode, or way to write a size.
   * - `ERR_OUT_OF_RANGE` (RangeError; `size`, `minimum`, `maximum`, if the memory itself refuses a
   *   size): a size out of its bounds; an `incr` whose result would not be finite and exact (nothing
   *   was changed).
   * - `ERR_KEY_TOO_LONG` (RangeError; `length`, `maximum`): shorten or hash the key.
   * - `ERR_VALUE_TOO_LARGE` (RangeError; `length`, `maximum`): split the value.
   * - `ERR_NOT_A_NUMBER` (`type`): `incr` of a key that holds something else; `set` it to a number
   *   first.
   * - `ERR_ALREADY_OPEN`: `configure` with a name, a size or a snapshot came too late, or with a size in
   *   the worker of a cluster; call it in the turn in which the package is loaded, sizes in the primary.
   * - `ERR_CLOSED`: a call after `close()`.
   *
   * The state of the memory:
   * - `ERR_OUT_OF_MEMORY` (`need`, `free`, `maximum`, in bytes): nothing was changed. Remove keys,
   *   or configure a larger `maxMemory`.
   * - `ERR_TOO_MANY_NAMESPACES` (`maximum`): 254 have been named, and names are never given back. Use
   *   a prefix for what comes in any number.
   * - `ERR_BUSY` (`pid`, `state`): a process that is alive but stopped is in the middle of a
   *   change; nothing was done. Try again, or resume or kill that process.
   * - `ERR_CORRUPTED` (`what`, `at`): something outside of this package wrote into the memory.
   *   Restart all processes that share it, and report it.
   * - `ERR_TOO_MANY_MEMBERS` (`maximum`): too many threads and processes are attached; close
   *   some. Each copy of the package in a thread counts, and each one after a reset of modules.
   *
   * Attaching:
   * - `ERR_NO_PRIMARY`: the primary has not loaded the package; load it there too. A promise waits
   *   5 seconds for it, a call of `sync` does not wait.
   * - `ERR_SNAPSHOT` (`file`, `kept`): the file cannot be read or written. A damaged one, another that
   *   stood in its place, or a new one that cannot take that, is kept as `kept`; look at it, or go on
   *   without it. The message says what must change. If `kept` is null, what stands there is as it
   *   was, unless the message says that the new one was written, but may not outlast a loss of power.
   *   One that does not fit needs a larger `maxMemory`.
   * - `ERR_NO_HOST`: no process that shares by the name answers, for 5 seconds; the one that admits
   *   others (`host` of `stats()`) is stopped, or has a snapshot that it could not read and is too busy
   *   to hear of that.
   * - `ERR_NOT_PRIMARY`: `setLRUOptions` in the worker of a cluster; call it in the primary.
   * - `ERR_REFUSED`: the primary does not let this process in, since it is none of its children; or
   *   the processes of a name do not, since it runs under another user. The message names both.
   * - `ERR_LAYOUT_MISMATCH` (`ours`, `theirs`): the processes run versions of this package that do not
   *   understand each other; install one.
   * - `ERR_BINARY_MISSING`: the native addon could not be loaded: there is none for this platform,
   *   Node was told to load none, or a startup snapshot is being built. The message names the remedy.
   * - `ERR_SYSTEM` (`syscall`, `errno`): the operating system refused a call; often a limit on
   *   memory or open files.
   *
   * What JSON and the structured clone throw for a value (a BigInt, a cycle, a function inside) is
   * passed on as it is.
   */
  type ErrorCode =
    | 'ERR_INVALID_ARG_TYPE'
    | 'ERR_INVALID_ARG_VALUE'
    | 'ERR_OUT_OF_RANGE'
    | 'ERR_KEY_TOO_LONG'
    | 'ERR_VALUE_TOO_LARGE'
    | 'ERR_NOT_A_NUMBER'
    | 'ERR_ALREADY_OPEN'
    | 'ERR_CLOSED'
    | 'ERR_OUT_OF_MEMORY'
    | 'ERR_BUSY'
    | 'ERR_CORRUPTED'
    | 'ERR_TOO_MANY_MEMBERS'
    | 'ERR_TOO_MANY_NAMESPACES'
    | 'ERR_NO_PRIMARY'
    | 'ERR_NO_HOST'
    | 'ERR_SNAPSHOT'
    | 'ERR_NOT_PRIMARY'
    | 'ERR_REFUSED'
    | 'ERR_LAYOUT_MISMATCH'
    | 'ERR_BINARY_MISSING'
    | 'ERR_SYSTEM';

  /** An error of this package. `name` is `'SharedMemoryError'` unless the code says otherwise. */
  interface SharedMemoryError extends Error {
    /** Which error it is; the message may change, this does not. */
    code: ErrorCode;
    /** Bytes that were wanted. */
    need?: number;
    /** Bytes that are free. */
    free?: number;
    /** The most that there may be of what the code is about: bytes, UTF-16 units, members. */
    maximum?: number;
    /** The least, in bytes. */
    minimum?: number;
    /** What was asked for, in bytes. */
    size?: number;
    /** Of a key in UTF-16 units, of a value in bytes. */
    length?: number;
    /** The process that is in the middle of a change, and whether it is `'stopped'`, or what else. */
    pid?: number;
    state?: string;
    /** Which rule is broken, and at which offset of the memory. */
    what?: string;
    at?: number;
    /** The layout of this version of the package, and that of the others. */
    ours?: number;
    theirs?: number;
    /**
     * The snapshot, and what a file that was put aside is called now, or several, with `and` between
     * their names; null: none was.
     */
    file?: string;
    kept?: string | null;
    /** What the key holds instead of a number, in words. */
    type?: string;
    /** The call that the operating system refused, and its error number. */
    syscall?: string;
    errno?: number;
  }

  /**
   * The operations on values without waiting: each returns what its promise form gives, and throws
   * what that rejects with. `ERR_NO_PRIMARY` comes at once, where a promise waits for 5 seconds.
   */
  interface Sync {
    /** As `get`: a copy of the value, or `undefined`. */
    // biome-ignore lint/suspicious/noExplicitAny: as JSON.parse; programs for 1.1.5 had no types
    get<T = any>(key: Key): T | undefined;
    /** As `set`. */
    set(key: Key, value: unknown, options?: Lifetime): 'OK';
    /** As `remove`. */
    remove(key: Key): 'OK';
    /** As `has`. */
    has(key: Key): boolean;
    /** As `incr`: the sum; `by` is 1 by default. */
    incr(key: Key, by?: number, options?: Lifetime): number;
    /** As `decr`. */
    decr(key: Key, by?: number, options?: Lifetime): number;
    /** As `add`: whether it was set. */
    add(key: Key, value: unknown, options?: Lifetime): boolean;
    /** As `replace`: whether it was set. */
    replace(key: Key, value: unknown, options?: Lifetime): boolean;
    /** As `getAndSet`: what the key was before. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getAndSet<T = any>(key: Key, value: unknown, options?: Lifetime): T | undefined;
    /** As `getAndRemove`: what the key was. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getAndRemove<T = any>(key: Key): T | undefined;
    /** As `touch`: `ttl` in ms, or `Infinity`; whether there is such an entry. */
    touch(key: Key, ttl: number): boolean;
    /** As `ttl`: ms left, `Infinity`, or `undefined` if there is no such entry. */
    ttl(key: Key): number | undefined;
    /** As `getWithVersion`. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getWithVersion<T = any>(key: Key): Versioned<T>;
    /** As `compareAndSet`: whether it was set. */
    compareAndSet(key: Key, version: number, value: unknown, options?: Lifetime): boolean;
    /** As `update`; `fn` must not give a promise (`ERR_INVALID_ARG_TYPE`). */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    update<T = any>(key: Key, fn: (value: T | undefined) => T, options?: Lifetime): T;
    /** As `getMany`: the values in the order of the keys. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getMany<T = any>(keys: Iterable<Key>): Array<T | undefined>;
    /** As `setMany`. */
    setMany(
      entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
      options?: Lifetime,
    ): 'OK';
    /** As `removeMany`: how many were there. */
    removeMany(keys: Iterable<Key>): number;
    /** As `keys`, and the event loop does not turn in between. */
    keys(options?: KeyOptions): IterableIterator<string>;
    /** As `entries`, and the event loop does not turn in between. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    entries<T = any>(options?: KeyOptions): IterableIterator<[string, T]>;
    /** As `size`. */
    size(): number;
    /** As `clear`, at a stretch: the event loop stands still until all are removed. */
    clear(): 'OK';
  }

  /**
   * A set of keys: those that all share, or those of a namespace. All methods work detached from the
   * object. Operations of one thread happen in their order.
   *
   * Every call can fail with `ERR_INVALID_ARG_TYPE` (a wrong argument), `ERR_KEY_TOO_LONG` (over
   * 2000 UTF-16 units), `ERR_CLOSED`, `ERR_NO_PRIMARY`, `ERR_BUSY`, `ERR_CORRUPTED`, and with those
   * of attaching at the first operation; what else a call fails with stands there. What each means,
   * and what to do: `ErrorCode`. Promise forms never throw; they reject.
   */
  interface Space {
    /**
     * The value, or `undefined` where there is none.
     *
     *     const user = await memory.get<User>('user');   // User | undefined
     */
    // biome-ignore lint/suspicious/noExplicitAny: as JSON.parse; programs for 1.1.5 had no types
    get<T = any>(key: Key, callback?: Callback<T | undefined>): Promise<T | undefined>;

    /**
     * Stores a copy of the value as it is now; 4 GiB - 1 bytes of its encoding at most. Nothing is
     * ever evicted. `undefined` is a value too: `get` gives it, and `has` says true.
     *
     *     await memory.set('user', { name: 'Tom' });
     *
     * Fails with `ERR_OUT_OF_MEMORY` or `ERR_VALUE_TOO_LARGE`, and has then changed nothing; and
     * with whatever JSON or the structured clone throws for a value.
     *
     * With a `ttl` the entry ends. Without one it stays, though the one before may have been about to
     * end.
     */
    set(key: Key, value: unknown, callback?: Callback<'OK'>): Promise<'OK'>;
    /** The same, for a time. */
    set(key: Key, value: unknown, options: Lifetime, callback?: Callback<'OK'>): Promise<'OK'>;

    /** Removes a key; `'OK'` whether or not it was there. */
    remove(key: Key, callback?: Callback<'OK'>): Promise<'OK'>;

    /** Whether the key has a value, be it `undefined`. */
    has(key: Key): Promise<boolean>;

    /**
     * Adds to a number in one step that no other process comes between, and gives the sum. A
     * missing key counts as 0. `by` may be negative and a fraction; its default is 1.
     *
     *     await memory.incr('visits');        // 1
     *     await memory.incr('visits', -0.5);  // 0.5
     *
     * Fails with `ERR_NOT_A_NUMBER` where something else is stored, with `ERR_OUT_OF_RANGE` for a
     * `by` or a sum that is not finite, or a sum of integers beyond 2^53 - 1; and with
     * `ERR_OUT_OF_MEMORY` for a new key. It has then changed nothing.
     *
     * With a `ttl`, a number that begins now ends then; later increments do not put that off. So one
     * line limits a rate:
     *
     *     if ((await memory.incr(`calls:${user}`, 1, { ttl: 60_000 })) > 100) refuse();
     */
    incr(key: Key, by?: number, options?: Lifetime): Promise<number>;

    /** `incr` by `-by`. */
    decr(key: Key, by?: number, options?: Lifetime): Promise<number>;

    /** `set`, if the key has no value. Whether it was set. */
    add(key: Key, value: unknown, options?: Lifetime): Promise<boolean>;

    /** `set`, if the key has a value. Whether it was set. */
    replace(key: Key, value: unknown, options?: Lifetime): Promise<boolean>;

    /** `set`; gives what the key was before, with nothing in between. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getAndSet<T = any>(key: Key, value: unknown, options?: Lifetime): Promise<T | undefined>;

    /** `remove`; gives what the key was: of many who ask for it at the same time, one gets it. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getAndRemove<T = any>(key: Key): Promise<T | undefined>;

    /**
     * Lets an entry end `ttl` ms from now, or never (`Infinity`). Its value, and so its version, stay.
     * Whether there is such an entry.
     */
    touch(key: Key, ttl: number): Promise<boolean>;

    /** How many ms an entry has left; `Infinity` if it stays; `undefined` if there is none. */
    ttl(key: Key): Promise<number | undefined>;

    /** The value and its version, for `compareAndSet`. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getWithVersion<T = any>(key: Key): Promise<Versioned<T>>;

    /**
     * `set`, if the entry still has that version; with version 0, if there is none. Whether it was set.
     */
    compareAndSet(key: Key, version: number, value: unknown, options?: Lifetime): Promise<boolean>;

    /**
     * Reads, calls `fn` with the value (or `undefined`), and sets the key to what that gives, if nobody
     * has changed it meanwhile; else it begins anew, so `fn` may be called more than once. To leave the
     * key as it is, throw. Gives what was set.
     */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    update<T = any>(
      key: Key,
      fn: (value: T | undefined) => T | PromiseLike<T>,
      options?: Lifetime,
    ): Promise<T>;

    /** The values of many keys, in their order. Each is read by itself, not all at one moment. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    getMany<T = any>(keys: Iterable<Key>): Promise<Array<T | undefined>>;

    /**
     * Sets many keys: pairs, or the properties of an object. Each is set by itself. A key or value
     * that cannot be stored rejects before any is set; if the memory becomes full, those before it are
     * set.
     */
    setMany(
      entries: Iterable<readonly [Key, unknown]> | Record<string, unknown>,
      options?: Lifetime,
    ): Promise<'OK'>;

    /** Removes many keys, each by itself; gives how many were there. */
    removeMany(keys: Iterable<Key>): Promise<number>;

    /**
     * All keys, in no order that means anything, while others go on. A key that is there all the while
     * is given exactly once; one that comes or goes meanwhile, at most once. The event loop turns after
     * every few hundred.
     *
     *     for await (const key of memory.keys({ prefix: 'user:' })) console.log(key);
     */
    keys(options?: KeyOptions): AsyncIterableIterator<string>;

    /** The same with the values, each as it is when it is given. */
    // biome-ignore lint/suspicious/noExplicitAny: as above
    entries<T = any>(options?: KeyOptions): AsyncIterableIterator<[string, T]>;

    /** Number of keys; those that have ended count until they have left. */
    size(): Promise<number>;

    /**
     * Removes all keys that are there all the while, a few hundred at a time. What others set meanwhile
     * may stay.
     */
    clear(): Promise<'OK'>;

    /**
     * Asks for the lock of a key and waits until it is granted: first come, first served, over all
     * processes and threads; there is no timeout. Gives an id by which anybody may let go of it. A
     * request that waits keeps its process alive; a process or thread that ends lets go of
     * everything that it holds. `mutex` is easier to get right.
     *
     *     const id = await memory.getLock('user');
     *     try { ... } finally { await memory.releaseLock('user', id); }
     *
     * Locks have nothing to do with values: a locked key can be read and set. Fails with
     * `ERR_OUT_OF_MEMORY`.
     */
    getLock(key: Key, callback?: Callback<string>): Promise<string>;

    /**
     * Lets go of a lock. `'OK'`, or `` `Failed. LockId:${id} does not match ${key}'s lockId.` `` if
     * that id does not hold the lock.
     */
    releaseLock(key: Key, id: string | undefined, callback?: Callback<string>): Promise<string>;

    /**
     * Runs a function while holding the lock of a key, and gives its result; what it throws or
     * rejects with is passed on. The lock is let go of in any case.
     *
     *     await memory.mutex('user', async () => {
     *       const user = await memory.get('user');
     *       await memory.set('user', { ...user, visits: user.visits + 1 });
     *     });
     *
     * Not for use inside of a `mutex` of the same key: that waits for itself. Fails as `getLock`.
     */
    mutex<T>(key: Key, fn: () => T | PromiseLike<T>): Promise<T>;

    /**
     * Calls back after each `set`, `incr` and `remove` of a key, by whichever process or thread, in
     * their order: with a copy of the value, or `undefined` after a removal. What `get` gives in the
     * callback is that value or a newer one. Does not keep the process alive.
     *
     *     const stop = memory.listen<User>('user', (user) => console.log(user?.name));
     *
     * A thread that falls behind by more than the memory keeps for it (`log` of `configure`) gets the
     * newest value of each key, and `logger` hears how many changes were skipped; no writer ever
     * waits. What the callback throws is an uncaught exception.
     *
     * An entry that ends is a removal, heard when it leaves: some seconds after its end, or longer in
     * a store of millions.
     *
     * @returns a function that ends the listening
     * @throws at once, for it gives no promise. `ERR_INVALID_ARG_TYPE` if the callback is not a
     * function, which is a plain Error as in 1.1.5
     */
    // biome-ignore lint/suspicious/noExplicitAny: as JSON.parse; programs for 1.1.5 had no types
    listen<T = any>(key: Key, callback: (value: T | undefined) => void): () => void;

    /**
     * The operations on values at once. They attach if they are the first, and throw
     * `ERR_NO_PRIMARY` where a promise would wait for the primary.
     *
     *     memory.sync.incr('visits');
     */
    readonly sync: Sync;
  }

  /** Keys apart from all others, with locks and listeners of their own. */
  interface Namespace extends Space {
    /** What it is called. */
    readonly name: string;
  }

  /** The keys that all share, and what concerns the memory as a whole. */
  interface SharedMemory extends Space {
    /**
     * The keys of a namespace: the same methods, and nobody who does not use it meets them. The first
     * to name it makes it; up to 254 names, of up to 200 UTF-16 units each.
     */
    namespace(name: string, options?: NamespaceOptions): Namespace;

    /**
     * The value of a key of the LRU cache, or `undefined` where there is none or it has expired. A
     * use: the key goes last from now on.
     *
     * The cache has keys of its own, apart from those of `get` and `set`; `listen` hears nothing of
     * it. It is shared by all processes, in one exact order of uses: that of lru-cache 6.
     *
     *     const page = await memory.getLRU<string>('/index.html');
     */
    // biome-ignore lint/suspicious/noExplicitAny: as JSON.parse; programs for 1.1.5 had no types
    getLRU<T = any>(key: Key, callback?: Callback<T | undefined>): Promise<T | undefined>;

    /**
     * Puts a copy of the value into the LRU cache; what was used least recently goes if the cache
     * would become too long, or if there is no memory otherwise. By default it keeps 10000 keys, for
     * 5 minutes each: see `setLRUOptions`. Also `'OK'` for what is longer than the cache may be, and
     * is not stored.
     *
     *     await memory.setLRU('/index.html', page);
     *
     * Fails with `ERR_OUT_OF_MEMORY` if the cache has nothing left to give, with
     * `ERR_VALUE_TOO_LARGE`, and with what JSON, the structured clone or `length` throws.
     */
    setLRU(key: Key, value: unknown, callback?: Callback<'OK'>): Promise<'OK'>;

    /** Removes a key from the LRU cache; `'OK'` whether or not it was there. */
    removeLRU(key: Key, callback?: Callback<'OK'>): Promise<'OK'>;

    /**
     * Makes a new, empty LRU cache, for all processes. In a cluster, in the primary only. Where
     * processes share by a name, any of them may; those that choose the same go on with the cache
     * as it is, each measures what it sets itself, and `dispose` is called in the last that has chosen.
     *
     *     memory.setLRUOptions({ max: 500, maxAge: 60_000 });   // 500 keys, a minute each
     *
     * @throws `ERR_NOT_PRIMARY` in a cluster's worker; `ERR_INVALID_ARG_TYPE` (TypeError, in the words of
     * lru-cache) for a wrong `max` or `maxAge`: the old cache stays.
     */
    setLRUOptions(options?: LRUOptions): void;

    /**
     * Sets options; throws, and changes nothing, if one of them is wrong.
     *
     *     memory.configure({ maxMemory: '512mb' });   // first thing in the primary
     *
     * @throws `ERR_ALREADY_OPEN` for a size that comes too late or in a worker; `ERR_INVALID_ARG_TYPE`,
     * `ERR_INVALID_ARG_VALUE`, `ERR_OUT_OF_RANGE`; `ERR_CLOSED`
     */
    configure(options: Options): void;

    /** Figures on the whole memory, for people and monitoring. */
    stats(): Promise<Stats>;

    /**
     * Leaves the shared memory; whatever is called later fails with `ERR_CLOSED`, and so does what
     * waits for a lock. The values stay for the others. The end of the process or thread does the
     * same; where processes share by a name, before listeners of 'exit' that were added after it, or
     * another copy of the package in the process, had first asked for the memory. A second time it
     * does nothing. Fails with `ERR_SNAPSHOT` if this was the last one and the snapshot cannot be
     * written; it has left all the same.
     */
    close(): Promise<void>;

    /**
     * Hears of problems in the background. Default: `console.error`. It is of this thread and this
     * copy of the package, and what it throws is an uncaught exception.
     */
    logger: (problem: Error) => void;
  }
}

export = memory;
