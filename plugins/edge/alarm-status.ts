import type { Alarm } from "./alarm-board.ts";
import { alarmMessage } from "./alarm-event.ts";

/** What a status is made with. */
export interface AlarmStatusOptions {
  /** Alarms that are listed at the most. */
  readonly list: number;
}

/**
 * The alarms that stand, as the payload of a status: counts as readings, `{"values":[{"tag":"active","value":3},…]}`, and `alarms`, what waits for an operator first, then by severity, then the latest first.
 * `values`: `active` (announced, in alarm), `unacknowledged` (back to normal or not), `latched`, `chattering`, `shelved`, `suppressed`, `out-of-service`. `more`: alarms that the list has no room for.
 */
export function alarmStatus(standing: Iterable<Alarm>, { list }: AlarmStatusOptions): unknown {
  const alarms = [...standing];
  const count = (test: (alarm: Alarm) => boolean): number => alarms.reduce((sum, alarm) => sum + (test(alarm) ? 1 : 0), 0);
  const isIn = (...conditions: readonly string[]): ((alarm: Alarm) => boolean) => (alarm) => conditions.includes(alarm.machine.condition);
  const waits = isIn("unacknowledged", "returned", "latched-unacknowledged");
  const values = {
    active: count(isIn("unacknowledged", "acknowledged")),
    unacknowledged: count(waits),
    latched: count(isIn("latched", "latched-unacknowledged")),
    chattering: count(({ machine }) => machine.state.chattering),
    shelved: count(isIn("shelved")),
    suppressed: count(isIn("suppressed")),
    "out-of-service": count(isIn("out-of-service")),
  };
  const rank = (alarm: Alarm): number => (waits(alarm) ? 0 : isIn("shelved", "suppressed", "out-of-service")(alarm) ? 2 : 1);
  alarms.sort((one, other) => rank(one) - rank(other) || other.rule.severity - one.rule.severity || other.machine.state.changed - one.machine.state.changed);
  const listed = alarms.slice(0, list).map(describe);
  return { values: Object.entries(values).map(([tag, value]) => ({ tag, value })), alarms: listed, more: alarms.length - listed.length };
}

function describe(alarm: Alarm): unknown {
  const { id, rule, series, machine } = alarm;
  const { active, changed, chattering, shelved } = machine.state;
  const unit = series.state.last?.unit;
  return {
    id,
    condition: machine.condition,
    active,
    since: changed,
    severity: rule.severity,
    value: series.state.last?.value ?? null,
    limit: rule.limit,
    ...(unit === undefined ? {} : { unit }),
    message: alarmMessage(alarm, active ? "raised" : "cleared"),
    ...(chattering ? { chattering } : {}),
    ...(shelved ? { until: shelved.until, once: shelved.once } : {}),
  };
}
