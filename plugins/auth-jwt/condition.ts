import { createNetworkTest, remoteAddress, type Origin } from "@busbar/core";
import type { Condition } from "./role-schema.ts";

/** Whether a condition holds for somebody who comes from there. Of whom nothing is known: false. */
export type ConditionTest = (origin: Origin | undefined) => boolean;

/** Compiles the conditions that all must hold; undefined when there is none. */
export function compileConditions(conditions: readonly (Condition | undefined)[]): ConditionTest | undefined {
  const tests = conditions.filter((one) => one !== undefined).map(compile);
  return tests.length === 0 ? undefined : (origin) => tests.every((test) => test(origin));
}

function compile({ transports, networks }: Condition): ConditionTest {
  const ways: ReadonlySet<string> | undefined = transports && new Set(transports);
  const within = networks?.map(createNetworkTest);
  return (origin) => {
    if (origin === undefined || (ways !== undefined && !ways.has(origin.transport))) return false;
    if (within === undefined) return true;
    const address = remoteAddress(origin.remote);
    return within.some((test) => test(address));
  };
}

/** Says when conditions hold, for people: "over tcp or mqtt, from 10.0.0.0/8". */
export function formatConditions(conditions: readonly (Condition | undefined)[]): string {
  const or = (words: readonly string[]): string => (words.length > 5 ? `one of ${words.length} networks` : words.join(" or "));
  return conditions
    .flatMap((one) => [...(one?.transports ? [`over ${or(one.transports)}`] : []), ...(one?.networks ? [`from ${or(one.networks)}`] : [])])
    .join(", ");
}
