/** How long anything may take on a loaded machine before it counts as hung, in ms. */
export const patience = 20_000;

/** Looks again and again until `look` gives something other than undefined or false. @throws {Error} naming what was waited for, and what was seen last. */
export async function until<T>(what: string, look: () => T | undefined | false | Promise<T | undefined | false>, options: { readonly patience?: number; readonly seen?: () => unknown } = {}): Promise<T> {
  const limit = options.patience ?? patience;
  for (const end = performance.now() + limit; ; await new Promise((resolve) => setTimeout(resolve, 20))) {
    const found = await look();
    if (found !== undefined && found !== false) return found;
    if (performance.now() > end) throw new Error(`Cannot go on: not within ${limit / 1000} s: ${what}${options.seen ? `; now ${JSON.stringify(options.seen())}` : ""}`);
  }
}

/** A promise that has to keep within `patience`. @throws {Error} naming what did not happen. */
export async function within<T>(promise: Promise<T>, what: string, limit: number = patience): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Cannot go on: not within ${limit / 1000} s: ${what}`)), limit);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
