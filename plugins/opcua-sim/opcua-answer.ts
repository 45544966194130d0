import { errorCode, type Clock, type Log, type WriteGuard } from "@busbar/core";
import { callMethod } from "./machine-method.ts";
import type { Answer, Question } from "./opcua-messages.ts";
import { PlantError } from "./plant-error.ts";
import type { Simulation } from "./simulation.ts";
import type { TagHistory } from "./tag-history.ts";

/** What a question of the OPC UA server is answered from. */
export interface OpcuaAnswerOptions {
  readonly simulation: Simulation;
  readonly history: TagHistory | undefined;
  readonly writes: WriteGuard;
  readonly clock: Clock;
  readonly log: Log;
}

/** Answers what the thread of the OPC UA server asks on behalf of a client; never throws. */
export function answerOpcua(question: Question, options: OpcuaAnswerOptions): Answer {
  try {
    switch (question.ask) {
      case "write":
        return write(question, options);
      case "call":
        return call(question, options);
      case "history":
        return options.history ? { history: { ...options.history.slice(question.tag, question.query), codes: options.simulation.codes } } : {};
    }
  } catch (error) {
    if (error instanceof PlantError) return { refusal: error.code };
    if (errorCode(error) === "FORBIDDEN") return { refusal: "FORBIDDEN" };
    options.log.error("opcua request failed", { ask: question.ask, error });
    return { refusal: "BAD_COMMAND" };
  }
}

function write({ tag: index, value }: Extract<Question, { ask: "write" }>, { simulation, writes, clock }: OpcuaAnswerOptions): Answer {
  const tag = simulation.plant.tags[index];
  if (!tag) return { refusal: "NO_SUCH_TAG" };
  writes.check({ target: `${simulation.plant.machines[tag.machine]!.id}.${tag.name}` });
  simulation.write(tag, value, clock.now());
  return { number: simulation.values[tag.index]! };
}

function call({ machine: id, method: name, values }: Extract<Question, { ask: "call" }>, { simulation, writes, clock }: OpcuaAnswerOptions): Answer {
  const machine = simulation.machine(id);
  const method = machine?.methods.find((one) => one.name === name);
  if (!machine || !method) return { refusal: "NO_SUCH_METHOD" };
  writes.check({ target: `${id}.${name}()` });
  const before = callMethod(machine, { method: name, arguments: Object.fromEntries(method.arguments.map((argument, k) => [argument.name, values[k]])) }, { simulation, now: clock.now() });
  return { before: method.reset.map((tag) => before[tag]!) };
}
