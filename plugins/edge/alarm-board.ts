import type { StepContext } from "@busbar/core";
import * as v from "valibot";
import { AlarmMachine, normalAlarm, type AlarmChange, type AlarmState } from "./alarm-machine.ts";
import { isOver, type AlarmLevel, type AlarmRule } from "./alarm-rule.ts";
import { Deadlines } from "./deadlines.ts";
import type { Sample } from "./samples.ts";
import { SeriesStates, type Series } from "./series-states.ts";

/** What a tag is watched for. */
export interface WatchedTag {
  readonly rules: readonly AlarmRule[];
  /** Another tag of the same source, and the value of it that suppresses these alarms by design. */
  readonly suppress?: { readonly tag: string; readonly is: unknown } | undefined;
}

/** One alarm of one source. */
export interface Alarm {
  /** `<source>/<tag>/<level>`, such as `boiler-1/temperature/high`. */
  readonly id: string;
  /** The source's id. */
  readonly source: string;
  readonly rule: AlarmRule;
  readonly series: Series<TagState>;
  readonly machine: AlarmMachine;
  /** How many changes have been told of it. */
  told: number;
  /** When a delay that runs ends if no sample comes, on the gateway's clock. */
  delayEnd: number | undefined;
}

/** What is known of a tag of one source. */
export interface TagState {
  /** The reading that came last; undefined before the first. */
  last: Pick<Sample, "value" | "unit" | "quality" | "code"> | undefined;
  suppressed: boolean;
  /** By the place of their rule; one that has never been anything but normal is not there. */
  readonly alarms: (Alarm | undefined)[];
  /** What was kept of them, until the board has taken it over. */
  kept?: readonly KeptAlarm[] | undefined;
}

/** What a board is made of. */
export interface AlarmBoardOptions {
  readonly context: StepContext;
  readonly tags: ReadonlyMap<string, WatchedTag>;
  /** Series at the most. */
  readonly limit: number;
  /** Takes each change as it happens; `time`: at the source, or of the operator's command. */
  tell(alarm: Alarm, change: AlarmChange, time: number): void;
}

/** All alarms of one step: what becomes of them with every reading, and with time when none comes. */
export class AlarmBoard {
  readonly #options: AlarmBoardOptions;
  readonly #states: SeriesStates<TagState>;
  readonly #deadlines: Deadlines<Alarm>;
  /** Tags whose alarms a tag suppresses. */
  readonly #suppressedBy = new Map<string, string[]>();

  constructor(options: AlarmBoardOptions) {
    const { context, tags, limit } = options;
    this.#options = options;
    this.#deadlines = new Deadlines(context.clock, (alarm) => this.#pass(alarm));
    context.defer(() => this.#deadlines.close());
    for (const [tag, { suppress }] of tags) if (suppress) this.#suppressedBy.set(suppress.tag, [...(this.#suppressedBy.get(suppress.tag) ?? []), tag]);
    this.#states = new SeriesStates<TagState>(context, {
      limit,
      create: () => ({ last: undefined, suppressed: false, alarms: [] }),
      save: saveTag,
      load: loadTag,
      holds: ({ state }) => state.alarms.some((alarm) => alarm !== undefined && alarm.machine.condition !== "normal"),
      forget: (series) => this.#forget(series),
    });
    this.#states.keep({ anyConfig: true });
    this.#revive();
  }

  /** Whether readings of a tag concern any alarm. */
  concerns(tag: string): boolean {
    return this.#options.tags.has(tag) || this.#suppressedBy.has(tag);
  }

  /** Takes a reading. One that is older than the newest of its series is counted and changes nothing. */
  take(topic: string, sample: Sample): void {
    const series = this.#states.of(topic, sample.tag);
    if (!this.#states.admit(series, sample.time)) return this.#options.context.count("late");
    for (const tag of this.#suppressedBy.get(sample.tag) ?? []) this.#suppress(this.#states.of(topic, tag), sample.quality !== "bad" && sample.value === this.#options.tags.get(tag)!.suppress!.is, series.newest);
    const watched = this.#options.tags.get(sample.tag);
    if (watched) this.#judge(series, watched.rules, sample);
  }

  /** Every alarm that is not normal. */
  *standing(): Generator<Alarm> {
    for (const { state } of this.#states.all()) for (const alarm of state.alarms) if (alarm !== undefined && alarm.machine.condition !== "normal") yield alarm;
  }

  /** The alarms whose id is wanted, of every tag that has been seen; those that have been normal all along too. */
  *find(wants: (id: string) => boolean): Generator<Alarm> {
    for (const series of this.#states.all()) {
      const rules = this.#options.tags.get(series.tag)?.rules ?? [];
      for (let at = 0; at < rules.length; at++) if (wants(alarmId(series, rules[at]!))) yield this.#alarm(series, at, rules[at]!);
    }
  }

  /** To be called after a command has changed an alarm: the time it is shelved for begins to run. */
  arm(alarm: Alarm): void {
    const until = alarm.machine.state.shelved?.until ?? Number.POSITIVE_INFINITY;
    const next = Math.min(until, alarm.delayEnd ?? Number.POSITIVE_INFINITY);
    if (next === Number.POSITIVE_INFINITY) this.#deadlines.delete(alarm);
    else this.#deadlines.set(alarm, next);
  }

  #judge(series: Series<TagState>, rules: readonly AlarmRule[], sample: Sample): void {
    const { state, newest } = series;
    for (const alarm of state.alarms) alarm?.machine.settle(newest); // a delay that has passed by now tells of the value that was there then
    state.last = sample;
    for (let at = 0; at < rules.length; at++) {
      let alarm = state.alarms[at];
      const over = isOver(rules[at]!, sample, alarm?.machine.state.over ?? false);
      if (alarm === undefined) {
        if (over !== true) continue;
        alarm = this.#alarm(series, at, rules[at]!);
      }
      if (over !== undefined) alarm.machine.observe(over, newest);
      this.#time(alarm);
    }
  }

  /** Notes when a delay ends if nothing more comes, and sets or ends the timer for it. */
  #time(alarm: Alarm): void {
    const { due } = alarm.machine;
    const before = alarm.delayEnd;
    alarm.delayEnd = due === undefined ? undefined : this.#options.context.clock.now() + Math.max(0, due - alarm.series.newest);
    if (alarm.delayEnd !== before) this.arm(alarm);
  }

  #pass(alarm: Alarm): void {
    const { machine } = alarm;
    const now = this.#options.context.clock.now();
    if (machine.state.shelved && machine.state.shelved.until <= now) machine.unshelve(machine.state.shelved.until);
    if (alarm.delayEnd !== undefined && alarm.delayEnd <= now) {
      machine.settle(machine.due ?? Number.NEGATIVE_INFINITY);
      alarm.delayEnd = undefined;
    }
    this.arm(alarm);
  }

  #suppress(series: Series<TagState>, suppressed: boolean, time: number): void {
    if (series.state.suppressed === suppressed) return;
    series.state.suppressed = suppressed;
    for (const alarm of series.state.alarms) {
      alarm?.machine.settle(time); // the time of the same source: what was due by then has come before
      alarm?.machine.suppress(suppressed, time);
    }
  }

  #alarm(series: Series<TagState>, at: number, rule: AlarmRule, kept?: KeptAlarm): Alarm {
    const known = series.state.alarms[at];
    if (known) return known;
    const state = kept?.state ?? { ...normalAlarm(), raises: [], suppressed: series.state.suppressed };
    const machine = new AlarmMachine(rule, state, (change, time) => {
      alarm.told++;
      this.#options.tell(alarm, change, time);
    });
    const alarm: Alarm = { id: alarmId(series, rule), source: sourceOf(series), rule, series, machine, told: kept?.told ?? 0, delayEnd: undefined };
    return (series.state.alarms[at] = alarm);
  }

  /** Gives the alarms that were kept their rules of today; one whose rule is gone is forgotten. */
  #revive(): void {
    for (const series of this.#states.all()) {
      const rules = this.#options.tags.get(series.tag)?.rules ?? [];
      for (const one of series.state.kept ?? []) {
        const at = rules.findIndex(({ level }) => level === one.level);
        if (at < 0) continue;
        const alarm = this.#alarm(series, at, rules[at]!, one);
        this.#time(alarm);
        this.arm(alarm);
      }
      series.state.kept = undefined;
    }
  }

  #forget(series: Series<TagState>): void {
    for (const alarm of series.state.alarms) {
      if (alarm === undefined) continue;
      this.#deadlines.delete(alarm);
      if (alarm.machine.condition === "normal") continue;
      this.#options.context.count("alarm-forgotten");
      this.#options.context.log.error("an alarm that stands is forgotten: there are more series than the step remembers", { alarm: alarm.id, condition: alarm.machine.condition });
    }
  }
}

/** The id in a topic `type/id`. */
const sourceOf = ({ topic }: Series<TagState>): string => topic.slice(topic.indexOf("/") + 1);

const alarmId = (series: Series<TagState>, rule: AlarmRule): string => `${sourceOf(series)}/${series.tag}/${rule.level}`;

interface KeptAlarm {
  readonly level: AlarmLevel;
  readonly told: number;
  readonly state: AlarmState;
}

const time = v.pipe(v.number(), v.finite());
const keptSchema = v.object({
  last: v.optional(v.object({ value: v.unknown(), unit: v.optional(v.string()), quality: v.picklist(["good", "uncertain", "bad"]), code: v.optional(v.string()) })),
  suppressed: v.boolean(),
  alarms: v.array(
    v.object({
      level: v.picklist(["lowLow", "low", "high", "highHigh", "state", "bad"]),
      told: v.pipe(v.number(), v.integer(), v.minValue(0)),
      state: v.object({
        over: v.boolean(), since: time, active: v.boolean(), changed: time, acknowledged: v.boolean(), latched: v.boolean(),
        shelved: v.optional(v.object({ until: time, once: v.boolean() })),
        suppressed: v.boolean(), outOfService: v.boolean(), raises: v.pipe(v.array(time), v.maxLength(100)), chattering: v.boolean(),
      }),
    }),
  ),
});

/** Most tags have never been in alarm: of these nothing is worth a word. */
function saveTag({ last, suppressed, alarms }: TagState): unknown {
  const kept = alarms.flatMap((alarm) => (alarm ? [{ level: alarm.rule.level, told: alarm.told, state: alarm.machine.state }] : []));
  return kept.length === 0 && !suppressed ? null : { last: last && { value: last.value, unit: last.unit, quality: last.quality, code: last.code }, suppressed, alarms: kept };
}

function loadTag(saved: unknown): TagState | undefined {
  if (saved === null) return { last: undefined, suppressed: false, alarms: [] };
  const parsed = v.safeParse(keptSchema, saved);
  if (!parsed.success) return undefined;
  const { last, suppressed, alarms } = parsed.output;
  return { last: last && { value: last.value, unit: last.unit, quality: last.quality, code: last.code }, suppressed, alarms: [], kept: alarms };
}
