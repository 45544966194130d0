import { type CallMethodResultOptions, type ISessionContext, type Namespace, StatusCodes, type UAObject, type Variant } from "node-opcua";
import type { MethodSpec } from "./machine-parts.ts";
import type { Answer, Question, ServedMachine } from "./opcua-messages.ts";
import { statusOfAnswer } from "./opcua-refusal.ts";
import { opcuaTypes } from "./opcua-variant.ts";

/** Adds a method of a machine, node `s=<machine>.<method>`: an input for each argument, an output for each counter that it sets back, which says what that stood at. */
export function addOpcuaMethod(namespace: Namespace, method: MethodSpec, at: { readonly object: UAObject; readonly machine: ServedMachine; readonly ask: (question: Question) => Promise<Answer> }): void {
  const { object, machine, ask } = at;
  const kindOf = (name: string) => opcuaTypes[machine.tags.find((tag) => tag.name === name)!.kind];
  const node = namespace.addMethod(object, {
    browseName: method.name,
    nodeId: `s=${machine.id}.${method.name}`,
    displayName: method.title || method.name,
    inputArguments: method.arguments.map(({ name, tag }) => ({ name, dataType: kindOf(tag), description: { text: `what ${tag} becomes` } })),
    outputArguments: method.reset.map((tag) => ({ name: tag, dataType: kindOf(tag), description: { text: `what ${tag} stood at` } })),
  });
  // The library tells by the number of arguments that no callback is wanted.
  node.bindMethod(async (inputs: Variant[], _context: ISessionContext): Promise<CallMethodResultOptions> => {
    const answer = await ask({ ask: "call", machine: machine.id, method: method.name, values: inputs.map(({ value }) => value as unknown) });
    const statusCode = statusOfAnswer(answer);
    if (statusCode !== StatusCodes.Good) return { statusCode };
    return { statusCode, outputArguments: method.reset.map((tag, k) => ({ dataType: kindOf(tag), value: answer.before![k]! })) };
  });
}
