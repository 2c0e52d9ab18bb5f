// Checked by `npm run types` and never run: what the contract in index.d.ts accepts and refuses.

import memory, {
  configure,
  get,
  getLRU,
  incr,
  listen,
  mutex,
  set,
  setLRU,
  stats,
  sync,
} from 'cluster-shared-memory';

import old = require('cluster-shared-memory/src/shared-memory');

import type lib = require('../lib/memory.js');

interface User {
  name: string;
}

export async function accepted(): Promise<void> {
  const user: User | undefined = await memory.get<User>('user');
  const unsaid = await get(1);
  const text: string = unsaid.toUpperCase();
  const done: 'OK' = await set(true, { user, text });
  await memory.get<User>('user', (outcome) => {
    if (outcome instanceof Error) return;
    const name: string | undefined = outcome?.name;
    return name;
  });
  await memory.set('user', undefined, (outcome: 'OK' | Error) => outcome);
  await memory.remove('user', (outcome: 'OK' | Error) => outcome);
  const held: boolean = await memory.has('user');
  const count: number = (await incr('n')) + (await incr('n', -2)) + sync.incr('n', 2);
  const now: User | undefined = sync.get<User>('user');
  const cached: User | undefined = await getLRU<User>('user');
  const cachedUnsaid = await getLRU('user');
  const cachedText: string = cachedUnsaid.toUpperCase();
  await setLRU(1, user, (outcome) => outcome instanceof Error || outcome === 'OK');
  const stop: () => void = listen<User>('user', (changed) => changed?.name);
  listen('user', (changed) => changed.name);
  const given: number = await mutex('user', async () => count);
  const id: string = await memory.getLock('user', (outcome) => outcome);
  const released: string = await memory.releaseLock('user', id);
  memory.setLRUOptions({ max: 10, length: (value: User) => value.name.length });
  stop();
  const { bytes, members } = await stats();
  const free: number = bytes.free / members.length;
  configure({ maxMemory: '512mb', mode: 'advanced' });
  configure({ maxMemory: 2 ** 30 });
  memory.logger = (problem: Error) => console.error(problem.message);
  await old.close();
  console.log(done, held, count, now, free, cached, cachedText, given, released);
}

// index.js is checked to have what the contract says; this, that it has nothing else.
type Memory = InstanceType<typeof lib.Memory>;
type Same<A, B> = [keyof A, keyof B] extends [keyof B, keyof A] ? true : false;
export const isWhole: Same<Memory, memory.SharedMemory> = true;
export const isWholeSync: Same<Memory['sync'], memory.Sync> = true;

export async function acceptedOfStore(): Promise<void> {
  const ttl = 60_000;
  await set('user', { name: 'Tom' }, { ttl });
  await memory.set('user', { name: 'Tom' }, { ttl }, (outcome: 'OK' | Error) => outcome);
  const added: boolean = await memory.add('user', 1, { ttl });
  const replaced: boolean = await memory.replace(1, 1);
  const before: User | undefined = await memory.getAndSet<User>('user', { name: 'Tim' });
  const taken: User | undefined = await memory.getAndRemove<User>('user');
  const count: number =
    (await incr('n', 1, { ttl })) + (await memory.decr('n')) + sync.decr('n', 2);
  const isTouched: boolean = await memory.touch('n', Number.POSITIVE_INFINITY);
  const left: number | undefined = await memory.ttl('n');
  const { value, version }: memory.Versioned<User> = await memory.getWithVersion<User>('user');
  const isSet: boolean = await memory.compareAndSet('user', version, value, { ttl });
  const changed: User = await memory.update<User>('user', (old) => ({ name: `${old?.name}` }));
  const later: number = await memory.update('n', async (n: number | undefined) => (n ?? 0) + 1);
  const users: Array<User | undefined> = await memory.getMany<User>(new Set(['a', 1, true]));
  const done: 'OK' = await memory.setMany(new Map([['a', 1]]), { ttl });
  await memory.setMany([
    ['a', 1],
    [2, 'b'],
  ]);
  await memory.setMany({ a: 1 });
  const removed: number = await memory.removeMany(['a', 1]);
  for await (const key of memory.keys({ prefix: 'user:' })) key.toUpperCase();
  for await (const [key, user] of memory.entries<User>()) key.concat(user.name);
  for (const [key, user] of sync.entries<User>({ prefix: '' })) key.concat(user.name);
  const keys: string[] = [...sync.keys()];
  const size: number = (await memory.size()) + sync.size();
  const cleared: 'OK' = (await memory.clear()) && sync.clear();
  console.log(added, replaced, before, taken, count, isTouched, left, isSet, changed, later);
  console.log(users, done, removed, keys, size, cleared);
}

export async function acceptedOfNamespaces(): Promise<void> {
  const sessions: memory.Namespace = memory.namespace('sessions', { maxMemory: '64mb' });
  const user: User | undefined = await sessions.get<User>('user');
  const stop: () => void = sessions.listen<User>('user', (changed) => changed?.name);
  const locked: number = await sessions.mutex('user', async () => 1);
  const now: boolean = sessions.sync.add('user', user);
  const space: memory.Space = Math.random() < 0.5 ? memory : sessions;
  await space.set(sessions.name, now);
  const [{ name, entries, bytes, maximum }] = (await stats()).namespaces;
  configure({ valueCache: 0 });
  configure({ valueCache: '1mb' });
  console.log(stop, locked, name.length + entries + bytes + maximum);
}

export function onError(error: memory.SharedMemoryError): string {
  const code: memory.ErrorCode = error.code;
  switch (code) {
    case 'ERR_OUT_OF_MEMORY':
      return `${error.need} of ${error.free}`;
    // @ts-expect-error There is no such code.
    case 'ERR_UNHEARD_OF':
      return '';
    default:
      return code;
  }
}

export async function refusedOfStore(): Promise<void> {
  // @ts-expect-error A ttl is a number.
  await set('a', 1, { ttl: '1s' });
  // @ts-expect-error There is no such option.
  await set('a', 1, { seconds: 1 });
  // @ts-expect-error Options are an object.
  await set('a', 1, 1000);
  // @ts-expect-error A value is needed.
  await memory.add('a');
  // @ts-expect-error A version is needed.
  await memory.compareAndSet('a', undefined, 1);
  // @ts-expect-error A function is needed.
  await memory.update('a', 1);
  // @ts-expect-error There may be none.
  const left: number = await memory.ttl('a');
  // @ts-expect-error A ttl is needed.
  await memory.touch('a');
  // @ts-expect-error A number is no list of keys.
  await memory.getMany(5);
  // @ts-expect-error Each of them may be missing.
  const users: User[] = await memory.getMany<User>(['a']);
  // @ts-expect-error Entries are pairs.
  await memory.setMany(['a']);
  // @ts-expect-error At once there are no promises.
  sync.size().then();
  // @ts-expect-error By promise the iterator is an asynchronous one.
  for (const key of memory.keys()) console.log(key);
  // @ts-expect-error A prefix is a text.
  memory.keys({ prefix: 1 });
  // @ts-expect-error A name is needed.
  memory.namespace();
  // @ts-expect-error A namespace has no namespaces.
  memory.namespace('a').namespace('b');
  // @ts-expect-error A namespace is not closed by itself.
  memory.namespace('a').close();
  // @ts-expect-error The name stays.
  memory.namespace('a').name = 'b';
  console.log(left, users);
}

export async function refused(): Promise<void> {
  // @ts-expect-error A key is needed.
  await get();
  // @ts-expect-error undefined is no key.
  await get(undefined);
  // @ts-expect-error An object is no key.
  await set({}, 1);
  // @ts-expect-error A value is needed, be it undefined.
  await set('a');
  // @ts-expect-error A value may be missing.
  const user: User = await get<User>('user');
  // @ts-expect-error So may one of the cache.
  const cached: User = await getLRU<User>('user');
  // @ts-expect-error And one that is removed.
  listen<User>('user', (changed) => changed.name);
  // @ts-expect-error And one that is read at once.
  const now: User = sync.get<User>('user');
  // @ts-expect-error A listener needs a callback.
  listen('user');
  // @ts-expect-error mutex runs a function.
  await mutex('user', 1);
  // @ts-expect-error There is no such option of lru-cache 6.
  memory.setLRUOptions({ ttl: 1 });
  // @ts-expect-error Increments are numbers.
  await incr('n', '1');
  // @ts-expect-error The synchronous forms take no callback.
  sync.get('a', () => {});
  // @ts-expect-error The synchronous forms are no promises.
  sync.has('a').then();
  // @ts-expect-error The callback gets an Error too.
  await memory.remove('a', (outcome: 'OK') => outcome);
  // @ts-expect-error A size is a number or a text.
  configure({ maxMemory: true });
  // @ts-expect-error There is no such mode.
  configure({ mode: 'xml' });
  // @ts-expect-error There is no such option.
  configure({ max: 1 });
  // @ts-expect-error The object of synchronous forms stays.
  memory.sync = sync;
  console.log(user, cached, now);
}
