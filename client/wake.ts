/** What a browser has and the other runtimes have not. */
interface PageGlobals {
  readonly addEventListener?: (name: string, listener: () => void) => void;
  readonly removeEventListener?: (name: string, listener: () => void) => void;
  readonly document?: { readonly visibilityState: string; addEventListener(name: string, listener: () => void): void; removeEventListener(name: string, listener: () => void): void };
}

/** Calls back when the network has come back, or the page comes to the front again: browsers hold timers of hidden pages back. Returns the function that ends it. Elsewhere than in a browser nothing is ever called. */
export function onWake(callback: () => void): () => void {
  const { addEventListener, removeEventListener, document } = globalThis as PageGlobals;
  const visible = (): void => {
    if (document?.visibilityState === "visible") callback();
  };
  addEventListener?.call(globalThis, "online", callback);
  document?.addEventListener("visibilitychange", visible);
  return () => {
    removeEventListener?.call(globalThis, "online", callback);
    document?.removeEventListener("visibilitychange", visible);
  };
}
