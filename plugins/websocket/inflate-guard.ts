import * as ws from "ws";

/** A zlib stream as far as it matters here. */
interface Inflate {
  flush(callback: () => void): void;
}

interface Deflate {
  _inflate: Inflate | null;
}

/** What `ws` unpacks messages with; its types do not name it. */
const { PerMessageDeflate } = ws as unknown as { readonly PerMessageDeflate: { readonly prototype: Deflate } };

const inflates = new WeakMap<Deflate, Inflate>();

/**
 * Makes bytes that are no deflate stream end their connection (1007), not the process. On Deno 2.9 the callback of `flush` is told of the error, and before the `error` event; `ws` 8.23 does not look at what it is told
 * and goes on with a closed stream, which throws where nobody can catch it. So a callback that is told of an error is not called: the `error` event says all. Called by whoever turns compression on; once is enough.
 */
export function guardInflate(): void {
  if (Object.hasOwn(PerMessageDeflate.prototype, "_inflate")) return;
  Object.defineProperty(PerMessageDeflate.prototype, "_inflate", {
    get(this: Deflate): Inflate | null {
      return inflates.get(this) ?? null;
    },
    set(this: Deflate, inflate: Inflate | null) {
      if (inflate === null) return void inflates.delete(this);
      const flush = inflate.flush.bind(inflate) as (callback: (error?: Error | null) => void) => void;
      inflate.flush = (callback) => flush((error) => void (error || callback()));
      inflates.set(this, inflate);
    },
  });
}
