// The entry for import: the object of index.js, and its methods by name.

import memory from './index.js';

export default memory;
export const { get, set, remove, has, incr, getLock, releaseLock, mutex, listen } = memory;
export const { add, replace, getAndSet, getAndRemove, decr, touch, ttl, update } = memory;
export const { getWithVersion, compareAndSet, getMany, setMany, removeMany } = memory;
export const { keys, entries, size, clear, namespace } = memory;
export const { getLRU, setLRU, removeLRU, setLRUOptions } = memory;
export const { sync, configure, stats, close } = memory;
