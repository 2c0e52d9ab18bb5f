// Checked by `npm run types` and never run: what the contract in index.d.ts accepts and refuses.

import memory, { configure, get, incr, set, stats, sync } from 'cluster-shared-memory';

import old = require('cluster-shared-memory/src/shared-memory');

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
  const { bytes, members } = await stats();
  const free: number = bytes.free / members.length;
  configure({ maxMemory: '512mb', mode: 'advanced' });
  configure({ maxMemory: 2 ** 30 });
  memory.logger = (problem: Error) => console.error(problem.message);
  await old.close();
  console.log(done, held, count, now, free);
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
  console.log(user);
}
