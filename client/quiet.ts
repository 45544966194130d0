/** The same promise; whoever does not wait for it is not ended by its rejection. Only for what is told of in another way, too. */
export function quiet<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
