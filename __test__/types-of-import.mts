// As types.ts, for the entry that `import` takes in ES modules.

import memory, { get, type SharedMemory, sync } from 'cluster-shared-memory';
import old from 'cluster-shared-memory/src/shared-memory';

const same: SharedMemory = old;
memory.logger = same.logger;

export const length: number | undefined = (await get<string>('text'))?.length;
export const held: boolean = sync.has('text') && (await memory.has('text'));

// @ts-expect-error logger can only be set on the object, so it has no name of its own.
export { logger } from 'cluster-shared-memory';
