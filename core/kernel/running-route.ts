import type { Bus } from "../bus.ts";
import type { Clock } from "../clock.ts";
import type { CheckedRoute } from "../config/checked.ts";
import { deliverAsync, type PostOffice } from "../delivery/post-office.ts";
import { walkJournal } from "../delivery/walk-journal.ts";
import { createMessage, type Draft, type Envelope } from "../envelope.ts";
import type { Log } from "../log.ts";
import type { Metrics } from "../metrics.ts";
import { compileRoute, type CompiledRoute } from "../route.ts";
import { gatewayId } from "../topic.ts";
import type { RouteStates, StoredState } from "./route-states.ts";

/** What a route runs on. */
export interface RunningRouteOptions {
  readonly office: PostOffice;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  /** A bus in the name of `id`. */
  busOf(id: string): Bus;
  /** Hands a message to the plugin instance `id`. */
  accept(id: string, message: Envelope): void;
  /** A route wants what its steps remember to be written now. */
  save(route: RunningRoute): void;
  /** Bytes of what the steps of one route may remember across a restart. */
  readonly stateLimit: number;
  /** Messages whose msgid is remembered: what is older does not go through the steps again. */
  readonly dedupeWindow: number;
}

/** Messages that may wait while a route is busy with those it has missed. */
const waitingLimit = 100_000;

/**
 * One route that runs. Where its steps have kept state, messages of qos 1 and 2 that came after that state was written go through them first, once more or for the first time; what is made of them has
 * the msgids it would have had, so it is delivered once. What is of qos 0 and not retained is not said again then.
 */
export class RunningRoute {
  readonly checked: CheckedRoute;
  readonly #options: RunningRouteOptions;
  readonly #log: Log;
  readonly #compiled: CompiledRoute;
  readonly #subscription: { close(): void };
  /** While messages are missing: the offset of the last that is not, and what resolves when none is. */
  #missing: { at: number; readonly caughtUp: Promise<void> } | undefined;
  /** The last durable message that came. */
  #heard = 0;
  #saved: { readonly steps: string; readonly heard: number } | undefined;
  /** Looks that are left out because the state was too large: making one of many megabytes takes a while. */
  #rest = 0;
  #open = true;

  /** `stored`: what the steps had kept, if anything. */
  constructor(checked: CheckedRoute, stored: StoredState | undefined, options: RunningRouteOptions) {
    const { office, clock, metrics } = options;
    const log = (this.#log = options.log.child({ route: checked.name }));
    this.checked = checked;
    this.#options = options;
    const compiled = compileRoute(checked, { clock, log, metrics, busOf: (id) => options.busOf(id), kept: stored?.steps, save: () => options.save(this), publish: (draft) => this.#publish(draft), sendTo: (id, message) => options.accept(id, message) });
    this.#compiled = compiled;
    if (compiled.keeps && stored !== undefined && stored.offset < office.last) this.#missing = { at: stored.offset, caughtUp: this.#catchUp(stored.offset, office.last) };
    const handle = (message: Envelope, offset: number | undefined): void => {
      if (offset !== undefined) this.#heard = offset;
      compiled.handle(message);
    };
    this.#subscription = office.subscribe(checked.from, (message, offset) => (this.#missing === undefined ? handle(message, offset) : this.#missing.caughtUp.then(() => handle(message, offset))), { log, limit: waitingLimit });
  }

  /** Whether any of its steps keeps state. */
  get keeps(): boolean {
    return this.#compiled.keeps;
  }

  /** What the steps remember now, for the route that takes this one's place; undefined where they keep nothing, or fail to say it. */
  state(): StoredState | undefined {
    if (!this.keeps) return undefined;
    try {
      return { offset: this.#position, steps: this.#compiled.snapshot() };
    } catch (error) {
      this.#log.error("step cannot say what it remembers", { error });
      return undefined;
    }
  }

  /** Writes what the steps remember to the journal, if that has changed. */
  save(states: RouteStates): void {
    if (this.#rest > 0) return void this.#rest--;
    const state = this.state();
    if (state === undefined) return;
    const { stateLimit } = this.#options;
    const steps = JSON.stringify(state.steps);
    const heard = this.#missing?.at ?? this.#heard;
    if (steps === this.#saved?.steps && heard === this.#saved.heard) return;
    const bytes = Buffer.byteLength(steps);
    if (bytes > stateLimit) {
      this.#rest = 30;
      return this.#log.warn("steps remember too much: it is not kept across a restart", { bytes, limit: stateLimit });
    }
    this.#saved = { steps, heard };
    states.write(this.checked.name, { offset: state.offset, steps, failed: () => (this.#saved = undefined) });
  }

  /** Ends it. What waits in it is dropped and counted. */
  close(): void {
    this.#open = false;
    this.#subscription.close();
    this.#compiled.close();
  }

  /** Everything durable up to this offset has been through the steps. */
  get #position(): number {
    return this.#missing?.at ?? this.#options.office.last;
  }

  async #catchUp(after: number, until: number): Promise<void> {
    const { office, dedupeWindow } = this.#options;
    let count = 0;
    try {
      for await (const page of walkJournal(office.journal!, { after: Math.max(after, until - dedupeWindow), limit: 1000, pattern: this.checked.from })) {
        for (const { message, offset } of page) {
          if (!this.#open || offset > until) break;
          this.#missing!.at = offset;
          if (message.qos === 0) continue; // went through when it came, before it was in the journal
          count++;
          this.#again(message);
        }
        if (!this.#open || (page.at(-1)?.offset ?? 0) > until) break;
      }
    } catch (error) {
      this.#log.error("messages that came before the restart cannot be read: the steps go on without them", { error });
    }
    if (count > 0) this.#log.info("messages since the steps' state was kept went through them", { count });
    this.#heard = until;
    this.#missing = undefined;
  }

  #again(message: Envelope): void {
    try {
      this.#compiled.handle(message);
    } catch (error) {
      this.#log.error("handler failed", { pattern: this.checked.from, error });
    }
  }

  #publish(draft: Draft): void {
    const { office } = this.#options;
    if (this.#missing !== undefined && (draft.qos ?? 0) === 0 && draft.retain !== true) return;
    const message = createMessage(draft);
    office.complete(message, gatewayId);
    if (message.qos === 0) office.publish(message);
    else deliverAsync(office, message).catch((error: unknown) => this.#log.error("message of a route is lost", { topic: message.topic, error }));
  }
}
