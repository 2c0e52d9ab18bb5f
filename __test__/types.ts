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
