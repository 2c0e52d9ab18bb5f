// The little of lru-cache 6.0.0 that the tests use; it has no types of its own.

declare module 'lru-cache' {
  class LRU {
    constructor(options?: object);
    set(key: unknown, value: unknown): boolean;
    get(key: unknown): unknown;
    del(key: unknown): void;
  }
  export = LRU;
}
