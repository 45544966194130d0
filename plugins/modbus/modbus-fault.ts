/** What went wrong with a request: the device refused it, nobody answered in time, the answer was not one to this request, there is no connection. */
export type FaultKind = "exception" | "no-answer" | "malformed" | "no-connection";

/** The names of the exception codes (Modbus V1.1b3 §7). */
const exceptionNames: Readonly<Record<number, string>> = {
  1: "illegal function",
  2: "illegal data address",
  3: "illegal data value",
  4: "server device failure",
  5: "acknowledge",
  6: "server device busy",
  8: "memory parity error",
  10: "gateway path unavailable",
  11: "gateway target device failed to respond",
};

const kindTexts: Readonly<Record<Exclude<FaultKind, "exception">, string>> = { "no-answer": "no answer", malformed: "malformed answer", "no-connection": "no connection" };

/** The device, or what lies before it, is busy and asks to be asked again (V1.1b3 §7): its values are old, not wrong. */
const busy: ReadonlySet<number> = new Set([5, 6]);

/** A gateway speaks for a device that it does not reach (V1.1b3 §7). */
const unreached: ReadonlySet<number> = new Set([10, 11]);

/** A request that brought no value. Branch on `kind` and `exception`. */
export class ModbusFault extends Error {
  readonly kind: FaultKind;
  /** The exception code, 1-255, where `kind` is exception. */
  readonly exception: number | undefined;

  constructor(kind: FaultKind, { exception, detail, cause }: { readonly exception?: number; readonly detail?: string; readonly cause?: unknown } = {}) {
    const code = codeText(kind, exception);
    super(detail === undefined ? code : `${code}: ${detail}`, cause === undefined ? undefined : { cause });
    this.name = "ModbusFault";
    this.kind = kind;
    this.exception = exception;
  }

  /** The status of a reading in the protocol's words, such as `modbus/02 illegal data address` or `no answer`. */
  get code(): string {
    return codeText(this.kind, this.exception);
  }

  /** What it makes of the values that were asked for. */
  get quality(): "uncertain" | "bad" {
    return this.exception !== undefined && busy.has(this.exception) ? "uncertain" : "bad";
  }

  /** Whether the device itself gave no sign of life: silence, no connection, or a gateway that does not reach it. */
  get silent(): boolean {
    return this.kind === "no-answer" || this.kind === "no-connection" || (this.exception !== undefined && unreached.has(this.exception));
  }

  /** Whether the device refuses what was asked for, so that asking for less may help: exceptions 02 and 03. */
  get refusesRange(): boolean {
    return this.exception === 2 || this.exception === 3;
  }
}

function codeText(kind: FaultKind, exception: number | undefined): string {
  if (kind !== "exception") return kindTexts[kind];
  const number = (exception ?? 0).toString(16).toUpperCase().padStart(2, "0");
  return `modbus/${number} ${exceptionNames[exception ?? 0] ?? "unknown exception"}`;
}
