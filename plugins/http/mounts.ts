/** What answers the requests below a path. */
export type FetchHandler = (request: Request) => Response | Promise<Response>;

/** The routes that other plugins have hung on the server. */
export interface Mounts {
  /** Serves every request whose path is `path` or lies below it. Gone when the returned function is called. @throws {TypeError} for a path that is none or is taken. */
  add(path: string, fetch: FetchHandler): () => void;
  /** The handler of the longest path that `path` is or lies below. */
  find(path: string): FetchHandler | undefined;
}

/** Makes an empty table of mounts. */
export function createMounts(): Mounts {
  const mounts = new Map<string, FetchHandler>();
  return {
    add(path, fetch) {
      checkRoutePath(path, mounts);
      mounts.set(path, fetch);
      return () => {
        if (mounts.get(path) === fetch) mounts.delete(path);
      };
    },
    find(path) {
      for (let end = path.length; end > 0; end = path.lastIndexOf("/", end - 1)) {
        const found = mounts.get(path.slice(0, end));
        if (found) return found;
      }
      return undefined;
    },
  };
}

/** @throws {TypeError} for a path that no request could have, or that is taken. */
export function checkRoutePath(path: string, taken: ReadonlyMap<string, unknown>): void {
  if (!/^(?:\/[A-Za-z0-9._~-]+)+$/.test(path)) throw new TypeError(`Cannot serve ${JSON.stringify(path)}: it is not a path such as "/mqtt"`);
  if (taken.has(path)) throw new TypeError(`Cannot serve ${JSON.stringify(path)}: another plugin serves it`);
}
