import { addressBlock, isLoopback, type Clock } from "@busbar/core";
import { BoundedMap } from "./bounded-map.ts";
import { usualGuessing, type GuessingConfig } from "./guessing-config.ts";
import { Refusal, type RefusalReason } from "./refusal.ts";

/** Pairs of address and id, and addresses, that are remembered. Evicting one takes as many other failures. */
const remembered = 10_000;
/** Failures of one other machine that cost no pause, where the config does not say. */
const usualAddressFree = 20;
/** Refusals that wait to be answered: beyond that they are answered at once. */
const mostWaiting = 1000;

/** What somebody is refused for who guesses. The rest is what honest devices are refused for again and again: they must not slow down their neighbours. */
const guesses: ReadonlySet<RefusalReason> = new Set<RefusalReason>(["malformed", "algorithm", "signature", "id", "secret", "enrolment"]);

interface Failures {
  readonly count: number;
  readonly last: number;
  readonly until: number;
}

/**
 * Slows down whoever guesses, over all transports together: at one id from one address, and at whatever from one address, by pauses that double. What can be guessed, secrets and one-time tokens, is not even
 * looked at during a pause; a device that got its secret right from there before is, so that nobody behind the same address can lock it out. Tokens with a signature cannot be guessed: they are always looked
 * at, and a right one is let in at once, but a refusal is answered late.
 */
export interface FailureDelay {
  /** @throws {Refusal} "throttled" while the pause of this address and id, or of the address, is not over. */
  check(remote: string, id: string): void;
  /** An attempt begins: it counts as failed for its id until `succeeded`, so that guesses sent at once do not all slip through. */
  began(remote: string, id: string): void;
  /** The attempt was right: what failed at this id from there is forgotten, what failed at others is not. */
  succeeded(remote: string, id: string): void;
  /** Somebody there was refused for that reason. Resolves when it is to be answered. */
  refused(remote: string, reason: RefusalReason, signal?: AbortSignal): Promise<void>;
}

/** Makes the table of recent failures. */
export function createFailureDelay(clock: Clock, settings: GuessingConfig = usualGuessing): FailureDelay {
  const { free, addressFree, firstPause, longestPause, memory, answerDelay } = settings;
  const pairs = new BoundedMap<Failures>(remembered);
  const addresses = new BoundedMap<Failures>(remembered);
  /** Pairs that were right before. */
  const known = new BoundedMap<true>(remembered);
  let waiting = 0;
  const key = (remote: string, id: string): string => `${addressBlock(remote)} ${id}`;
  const one = (before: Failures | undefined, unpunished: number): Failures => {
    const now = clock.now();
    const count = before === undefined || now - before.last > memory ? 1 : before.count + 1;
    const pause = count < unpunished ? 0 : Math.min(longestPause, firstPause * 2 ** Math.min(20, count - unpunished));
    return { count, last: now, until: now + pause };
  };
  const left = (failures: Failures | undefined): number => (failures === undefined ? 0 : failures.until - clock.now());
  const throttle = (failures: Failures | undefined, where: string): void => {
    const wait = left(failures);
    if (wait > 0) throw new Refusal("throttled", `${failures!.count} attempts ${where}failed, the next one may come in ${wait} ms`);
  };
  return {
    check(remote, id) {
      const pair = key(remote, id);
      throttle(pairs.get(pair), "");
      if (known.get(pair) === undefined) throttle(addresses.get(addressBlock(remote)), "from this address ");
    },
    began(remote, id) {
      const pair = key(remote, id);
      pairs.set(pair, one(pairs.get(pair), free));
    },
    succeeded(remote, id) {
      const pair = key(remote, id);
      pairs.delete(pair);
      known.set(pair, true);
    },
    async refused(remote, reason, signal) {
      const address = addressBlock(remote);
      if (addressFree === undefined && isLoopback(address)) return;
      if (guesses.has(reason)) addresses.set(address, one(addresses.get(address), addressFree ?? usualAddressFree));
      const late = Math.min(answerDelay, left(addresses.get(address)));
      if (late <= 0 || waiting >= mostWaiting || signal?.aborted) return;
      waiting++;
      await new Promise<void>((resolve) => {
        const over = (): void => {
          cancel();
          signal?.removeEventListener("abort", over);
          waiting--;
          resolve();
        };
        const cancel = clock.after(late, over);
        signal?.addEventListener("abort", over);
      });
    },
  };
}
