import type * as X509 from "@peculiar/x509";

/** What @peculiar/x509 offers. */
export type X509Library = typeof X509;

let loading: Promise<X509Library> | undefined;

/** Loads the library that makes certificates, once, when the first one is to be made: it takes some 20 MB and 100 ms. */
export function loadX509(): Promise<X509Library> {
  return (loading ??= load());
}

async function load(): Promise<X509Library> {
  addMetadata(Reflect as MetadataReflect);
  const library = await import("@peculiar/x509");
  library.cryptoProvider.set(globalThis.crypto);
  return library;
}

type MetadataReflect = typeof Reflect & Record<"getMetadata" | "getOwnMetadata" | "defineMetadata", unknown>;

/** The library's container (tsyringe) refuses to load without these three functions of the metadata proposal, of which it keeps a few constructor notes in. A package of its own for that would be larger than its use. */
function addMetadata(reflect: MetadataReflect): void {
  const notes = new WeakMap<object, Map<unknown, unknown>>();
  const get = (key: unknown, target: object): unknown => notes.get(target)?.get(key);
  reflect.getMetadata ??= get;
  reflect.getOwnMetadata ??= get;
  reflect.defineMetadata ??= (key: unknown, value: unknown, target: object): void => {
    const own = notes.get(target) ?? new Map<unknown, unknown>();
    notes.set(target, own.set(key, value));
  };
}
