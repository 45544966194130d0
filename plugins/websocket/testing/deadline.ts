/** The promise, or an error saying `what` when it takes more than 5 s. */
export function deadline<T>(promise: Promise<T>, what: string): Promise<T> {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => reject(new Error(`not so within 5 s: ${what}`)), 5000);
    promise.then(resolve, reject).finally(() => clearTimeout(timer));
  });
}
