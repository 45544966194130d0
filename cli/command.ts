/** One option of a command. `text` says what it is for, in `--help`; `value` names its argument there. */
export type OptionSpec = FlagSpec | TextSpec | ChoiceSpec | NumberSpec | DurationSpec;

/** There or not. */
export interface FlagSpec {
  readonly kind: "flag";
  readonly text: string;
}

/** Any text; `many`: may be given several times. */
export interface TextSpec {
  readonly kind: "text";
  readonly value: string;
  readonly text: string;
  readonly many?: true;
  readonly fallback?: string;
}

/** One of a few words. */
export interface ChoiceSpec {
  readonly kind: "choice";
  readonly of: readonly string[];
  readonly text: string;
  readonly fallback?: string;
}

/** A number from `min` to `max`; `whole`: without a fraction. */
export interface NumberSpec {
  readonly kind: "number";
  readonly value: string;
  readonly min: number;
  readonly max: number;
  readonly whole?: true;
  readonly text: string;
  readonly fallback?: number;
}

/** Such as 500ms, 30s, 5m, 1h, 30d: milliseconds from `min` to `max`. `fallback` is text too, so that help shows it as it would be typed. */
export interface DurationSpec {
  readonly kind: "duration";
  readonly min: number;
  readonly max: number;
  readonly text: string;
  readonly fallback?: string;
}

/** The options of a command, by the names that stand behind `--`. */
export type OptionSpecs = Readonly<Record<string, OptionSpec>>;

type ValueOf<S extends OptionSpec> = S extends FlagSpec
  ? boolean
  : S extends { readonly many: true }
    ? readonly string[]
    : S extends NumberSpec | DurationSpec
      ? number
      : S extends { readonly kind: "choice"; readonly of: readonly (infer T)[] }
        ? T
        : string;

/** What the options of a command line say: flags and lists are always there, the others where they were given or have a fallback. */
export type OptionValues<O extends OptionSpecs> = {
  readonly [K in keyof O]: O[K] extends FlagSpec | { readonly many: true } | { readonly fallback: string | number } ? ValueOf<O[K]> : ValueOf<O[K]> | undefined;
};

/** What a command is run with. */
export interface CommandInput<O extends OptionSpecs> {
  readonly options: OptionValues<O>;
  /** As many as the command takes. */
  readonly positionals: readonly string[];
}

/** One command of `busbar`. */
export interface Command<O extends OptionSpecs = OptionSpecs> {
  /** What it does, for `--help`: one or two sentences. */
  readonly description: string;
  /** Its arguments without a name, in order; a name that ends with `?` may be absent. */
  readonly positionals: readonly string[];
  readonly options: O;
  /** Command lines that work, and what they do. */
  readonly examples: readonly (readonly [line: string, text: string])[];
  /** Does it. Resolves with the exit code. @throws {Failure} and whatever `exitCodeOf` knows. */
  run(input: CommandInput<O>): Promise<number>;
}

/** Any command. */
export type AnyCommand = Command<any>;

/** Defines a command. The call only helps the type checker. */
export function defineCommand<const O extends OptionSpecs>(command: Command<O>): Command<O> {
  return command;
}
