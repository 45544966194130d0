/** A promise that has to come true within 20 s, or `limit` ms. @throws {Error} naming what did not happen. */
export async function within<T>(promise: Promise<T>, what: string, limit: number = 20_000): Promise<T> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new Error(`Cannot go on: not within ${limit / 1000} s: ${what}`)), limit);
  });
  return await Promise.race([promise, late]).finally(() => clearTimeout(timer));
}
