import type { AlarmRule } from "./alarm-rule.ts";

/** Where an alarm stands: the states of ANSI/ISA-18.2-2016's state transition diagram, by its words. `returned` is "return to normal, unacknowledged". */
export type AlarmCondition = "normal" | "unacknowledged" | "acknowledged" | "returned" | "latched-unacknowledged" | "latched" | "shelved" | "suppressed" | "out-of-service";

/** What happened to an alarm; what an event says as its `state`. */
export type AlarmChange = "raised" | "cleared" | "acknowledged" | "reset" | "shelved" | "unshelved" | "suppressed" | "unsuppressed" | "out-of-service" | "in-service";

/** All that an alarm remembers: plain JSON. Times are milliseconds since the Unix epoch, at the source unless said otherwise. */
export interface AlarmState {
  /** Whether the value last seen is in alarm, hysteresis included, and since when. */
  over: boolean;
  since: number;
  /** The same after the delays: what is announced, and since when. */
  active: boolean;
  changed: number;
  acknowledged: boolean;
  /** Whether it waits for a reset, the process being normal again. */
  latched: boolean;
  /** `until`: on the gateway's clock. `once`: it also ends when the process is back to normal. */
  shelved?: { readonly until: number; readonly once: boolean } | undefined;
  suppressed: boolean;
  outOfService: boolean;
  /** When it was last raised, oldest first; as many as make it chatter. */
  raises: number[];
  chattering: boolean;
}

/** An alarm that has never been anything but normal. */
export function normalAlarm(): AlarmState {
  return { over: false, since: 0, active: false, changed: 0, acknowledged: true, latched: false, suppressed: false, outOfService: false, raises: [], chattering: false };
}

/** Delays and habits of an alarm that its machine needs of the rule. */
export type AlarmTiming = Pick<AlarmRule, "onDelay" | "offDelay" | "latch" | "acknowledge" | "chattering">;

/**
 * One alarm. A value holds until the next one, so a delay ends at the same time of the source, and with the same event, whether a sample or the clock
 * shows that it has passed. While it is shelved, suppressed or out of service it goes on watching and announces nothing; afterwards an alarm that is
 * active is announced anew. An alarm that chatters stays raised until it has been normal for `chattering.within`.
 */
export class AlarmMachine {
  readonly state: AlarmState;
  readonly #timing: AlarmTiming;
  readonly #tell: (change: AlarmChange, time: number) => void;

  /** `state` is the machine's own from now on. `tell` is called for every change, after it has happened; `time` is that of the source, or of the operator's command. */
  constructor(timing: AlarmTiming, state: AlarmState, tell: (change: AlarmChange, time: number) => void) {
    this.#timing = timing;
    this.state = state;
    this.#tell = tell;
  }

  get condition(): AlarmCondition {
    const { active, acknowledged, latched, shelved, suppressed, outOfService } = this.state;
    if (outOfService) return "out-of-service";
    if (suppressed) return "suppressed";
    if (shelved) return "shelved";
    if (active) return acknowledged ? "acknowledged" : "unacknowledged";
    if (latched) return acknowledged ? "latched" : "latched-unacknowledged";
    return acknowledged ? "normal" : "returned";
  }

  /** When a delay that runs ends, at the source, if the value stays as it is; undefined while none runs. */
  get due(): number | undefined {
    const { over, active, since, changed, chattering } = this.state;
    if (over === active) return undefined;
    if (over) return Math.max(changed, since + this.#timing.onDelay);
    return Math.max(changed, since + (chattering ? Math.max(this.#timing.offDelay, this.#timing.chattering.within) : this.#timing.offDelay));
  }

  /** Takes a value of time `time`, not before that of the last one: whether it is in alarm. */
  observe(over: boolean, time: number): void {
    this.settle(time);
    const { state } = this;
    if (over !== state.over) {
      state.over = over;
      state.since = time;
    }
    this.settle(time);
  }

  /** Ends a delay that is due by `time`. */
  settle(time: number): void {
    const { due } = this;
    if (due !== undefined && due <= time) this.#switch(due);
  }

  /** @returns whether there was anything to acknowledge. */
  acknowledge(time: number): boolean {
    if (this.#silent || this.state.acknowledged) return false;
    this.state.acknowledged = true;
    this.#tell("acknowledged", time);
    return true;
  }

  /** Ends a latched alarm. @returns false unless it is acknowledged and the process normal again. */
  reset(time: number): boolean {
    if (this.condition !== "latched") return false;
    this.state.latched = false;
    this.#tell("reset", time);
    return true;
  }

  /** Shelves the alarm, or anew with other terms. */
  shelve(time: number, terms: { readonly until: number; readonly once: boolean }): void {
    this.state.shelved = terms;
    this.#forget();
    this.#tell("shelved", time);
  }

  /** @returns whether it was shelved. */
  unshelve(time: number): boolean {
    if (!this.state.shelved) return false;
    this.state.shelved = undefined;
    this.#reveal("unshelved", time);
    return true;
  }

  /** Suppresses the alarm by design, or ends that. Told only where there is something to hide or to reveal: machines stop and start all day. */
  suppress(suppressed: boolean, time: number): void {
    const { state, condition } = this;
    if (state.suppressed === suppressed) return;
    state.suppressed = suppressed;
    if (suppressed) {
      this.#forget();
      if (condition !== "normal") this.#tell("suppressed", time);
    } else if (this.condition !== "normal") this.#reveal("unsuppressed", time);
  }

  /** Takes the alarm out of service, or back. @returns whether that is a change. */
  setOutOfService(outOfService: boolean, time: number): boolean {
    if (this.state.outOfService === outOfService) return false;
    this.state.outOfService = outOfService;
    if (outOfService) this.#forget();
    if (outOfService) this.#tell("out-of-service", time);
    else this.#reveal("in-service", time);
    return true;
  }

  /** Whether nothing is announced for the time being. */
  get #silent(): boolean {
    return this.state.shelved !== undefined || this.state.suppressed || this.state.outOfService;
  }

  #switch(time: number): void {
    const { state } = this;
    state.active = state.over;
    state.changed = time;
    if (state.active) {
      this.#count(time);
      if (!this.#silent) this.#raise(time);
      return;
    }
    if (state.chattering) {
      state.chattering = false;
      state.raises = [];
    }
    if (!this.#silent) {
      state.latched = this.#timing.latch;
      this.#tell("cleared", time);
    } else if (state.shelved?.once) this.unshelve(time);
  }

  #count(time: number): void {
    const { count, within } = this.#timing.chattering;
    if (count === 0) return;
    const { raises } = this.state;
    raises.push(time);
    if (raises.length > count) raises.shift();
    if (raises.length === count && time - raises[0]! <= within) this.state.chattering = true;
  }

  #raise(time: number): void {
    this.#stand();
    this.#tell("raised", time);
  }

  /** Waits for an operator from now on. */
  #stand(): void {
    this.state.acknowledged = !this.#timing.acknowledge;
    this.state.latched = false;
  }

  /** What is not announced waits for nobody. */
  #forget(): void {
    this.state.acknowledged = true;
    this.state.latched = false;
  }

  /** What has come to pass in silence is announced. */
  #reveal(change: AlarmChange, time: number): void {
    const stands = !this.#silent && this.state.active;
    if (stands) this.#stand();
    this.#tell(change, time);
    if (stands) this.#tell("raised", time);
  }
}
