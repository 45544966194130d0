import { defineStep, duration, integer, type Envelope, type StepContext, type StepMessage } from "@busbar/core";
import * as v from "valibot";
import { AlarmBoard, type Alarm } from "./alarm-board.ts";
import { AlarmCommandError, obeyAlarmCommand, parseAlarmCommand } from "./alarm-command.ts";
import { createAlarmEvent, type AlarmOperator } from "./alarm-event.ts";
import { compileRules, tagAlarmsSchema } from "./alarm-rule.ts";
import { alarmStatus } from "./alarm-status.ts";
import { samplesOf } from "./samples.ts";

const config = v.strictObject({
  tags: v.pipe(
    v.record(v.pipe(v.string(), v.minLength(1), v.maxLength(256)), tagAlarmsSchema),
    v.check((tags) => Object.keys(tags).length > 0 && Object.keys(tags).length <= 10_000, "must name 1 to 10000 tags"),
    v.description("The alarms of each tag, by its name, the same for every source: limits lowLow, low, high, highHigh, is, bad, and what goes with them."),
  ),
  chattering: v.pipe(
    v.optional(v.strictObject({
      count: v.pipe(v.optional(v.pipe(integer(0, 100), v.check((count) => count !== 1, "must be 0, or 2 to 100")), 3), v.description("Raised as often as this within `within`, an alarm chatters: it stays raised until it has been normal for `within`. 0 = never. Default 3, 2 to 100.")),
      within: v.pipe(v.optional(duration(1000, 86_400_000), 60_000), v.description("The time that is counted over. Default 1m, 1s to 1d.")),
    }), {}),
    v.description("When an alarm that comes and goes counts as chattering."),
  ),
  shelveLimit: v.pipe(v.optional(duration(1000, 30 * 86_400_000), 8 * 3_600_000), v.description("How long an alarm may be shelved at the most. Default 8h, 1s to 30d.")),
  list: v.pipe(v.optional(integer(0, 1000), 200), v.description("Alarms in the status at the most, the gravest first. Default 200, 0 to 1000.")),
  series: v.pipe(v.optional(integer(1, 1_000_000), 10_000), v.description("Series (a tag of a source) that are remembered; beyond it those that were quiet longest are forgotten, those with an alarm that stands last. Default 10000, 1 to 1000000.")),
});

/** Milliseconds between two messages with the status at least. */
const statusPause = 1000;

/**
 * `alarms`: takes readings and emits an event for each change of an alarm, by ISA-18.2. The readings go no further. Operators speak to `command/<edge instance>/<route>`, and
 * `status/<edge instance>/<route>`, retained, has the alarms that stand.
 */
export const alarmsStep = defineStep({
  description: "Watches limits and states, and emits an event for each change of an alarm (ISA-18.2): raised, cleared, acknowledged, shelved and so on",
  config,
  create({ tags, chattering, shelveLimit, list, series }, context) {
    const address = `${context.owner}/${context.route}`;
    const status = openStatus(context, address, () => alarmStatus(board.standing(), { list }));
    let operator: AlarmOperator | undefined;
    let send: (message: StepMessage) => void = context.emit;
    const board: AlarmBoard = new AlarmBoard({
      context,
      limit: series,
      tags: new Map(Object.entries(tags).map(([tag, alarms]) => [tag, { rules: compileRules(alarms, chattering), suppress: alarms.suppress }])),
      tell(alarm, change, time) {
        context.count(change);
        send(createAlarmEvent(alarm, { change, time, operator, context, board: address }));
        status.changed();
      },
    });
    status.changed();
    takeCommands(context, address, (message) => {
      const now = context.clock.now();
      const command = parseAlarmCommand(message.payload);
      operator = { by: message.from, comment: command.comment, time: now };
      try {
        const changed = obeyAlarmCommand(command, { board, now, shelveLimit });
        if (changed.length > 0) context.save();
        return { changed: changed.length, alarms: changed.slice(0, 100).map(({ id, machine }: Alarm) => ({ id, condition: machine.condition })) };
      } finally {
        operator = undefined;
      }
    });
    return (message, emit) => {
      send = emit;
      try {
        for (const sample of samplesOf(message)) if (board.concerns(sample.tag)) board.take(message.topic, sample);
      } finally {
        send = context.emit;
      }
    };
  },
});

/** Publishes the status when it has changed, at most once a second. */
function openStatus(context: StepContext, address: string, payload: () => unknown): { changed(): void } {
  let timer = false;
  let dirty = false;
  const look = (): void => {
    timer = dirty;
    if (!dirty) return;
    dirty = false;
    context.bus.publish({ type: "status", from: address, payload: payload(), retain: true });
    context.clock.after(statusPause, look);
  };
  return {
    changed() {
      dirty = true;
      if (timer) return;
      timer = true;
      context.clock.after(0, look); // what changes within one message is said at once
    },
  };
}

/** Answers commands to `address` with what `obey` gives, or with the code of what it throws. */
function takeCommands(context: StepContext, address: string, obey: (command: Envelope) => unknown): void {
  const { bus, clock, log } = context;
  bus.subscribe(`command/${address}`, async (command) => {
    if (command.expires !== undefined && command.expires <= clock.now()) return;
    const payload = answer(command, obey);
    const ack = { type: "ack", from: address, to: command.from, payload, qos: command.qos };
    if (command.qos === 0) return void bus.publish(ack);
    try {
      await bus.deliver(ack);
    } catch (error) {
      log.error("answer to a command could not be delivered", { msgid: command.msgid, error });
    }
  });
}

function answer(command: Envelope, obey: (command: Envelope) => unknown): { readonly msgid: string; readonly status: "ok" | "error"; readonly result: unknown } {
  const { msgid } = command;
  try {
    return { msgid, status: "ok", result: obey(command) };
  } catch (error) {
    if (!(error instanceof AlarmCommandError)) throw error;
    return { msgid, status: "error", result: { code: error.code, message: error.message } };
  }
}
