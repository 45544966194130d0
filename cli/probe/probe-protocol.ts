import type { OptionSpecs, OptionValues } from "../command.ts";

/** A protocol that `busbar probe` speaks. What is heavy is loaded by `run`. */
export interface ProbeProtocol<O extends OptionSpecs = OptionSpecs> {
  /** What stands in `<address>`, such as `host[:port]`. */
  readonly address: string;
  /** Options besides those of all protocols. Two protocols that have the same one say the same of it. */
  readonly options: O;
  readonly examples: readonly (readonly [line: string, text: string])[];
  /** Probes and prints. Resolves with the exit code. @throws {Failure} and whatever `exitCodeOf` knows. */
  run(address: string, options: OptionValues<O> & { readonly json: boolean }): Promise<number>;
}

/** Defines a protocol. The call only helps the type checker. */
export function defineProbe<const O extends OptionSpecs>(protocol: ProbeProtocol<O>): ProbeProtocol<O> {
  return protocol;
}
