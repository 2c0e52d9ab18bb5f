export type {
  Callback,
  ErrorCode,
  Key,
  Mode,
  Options,
  SharedMemory,
  SharedMemoryError,
  Stats,
  Sync,
} from './index.js';
export {
  close,
  configure,
  default,
  get,
  has,
  incr,
  remove,
  set,
  stats,
  sync,
} from './index.js';
