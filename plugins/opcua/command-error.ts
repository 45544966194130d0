import type { StatusCode } from "node-opcua-client";

/** Why a command was not carried out. FAILED: the server says so in a code that fits none of the others. */
export type CommandErrorCode = "NO_SUCH_TAG" | "NO_SUCH_METHOD" | "NO_SUCH_ALARM" | "READ_ONLY" | "WRONG_TYPE" | "OUT_OF_RANGE" | "BAD_COMMAND" | "FORBIDDEN" | "TIMEOUT" | "UNAVAILABLE" | "FAILED";

/** A command that was refused, by us or by the server. Branch on `code`; its message tells whoever sent the command what is wrong and holds nothing secret. */
export class CommandError extends Error {
  readonly code: CommandErrorCode;
  /** The server's StatusCode by name, where it was the server who refused. */
  readonly status: string | undefined;
  readonly retryable: boolean;

  constructor(code: CommandErrorCode, message: string, options: { readonly status?: string; readonly cause?: unknown } = {}) {
    super(message, options.cause === undefined ? undefined : { cause: options.cause });
    this.name = "CommandError";
    this.code = code;
    this.status = options.status;
    this.retryable = code === "TIMEOUT" || code === "UNAVAILABLE";
  }
}

const codes: readonly (readonly [CommandErrorCode, RegExp])[] = [
  ["NO_SUCH_METHOD", /^BadMethodInvalid/],
  ["NO_SUCH_TAG", /^BadNodeId(Unknown|Invalid)/],
  ["NO_SUCH_ALARM", /^Bad(EventIdUnknown|EventNotAcknowledgeable)/],
  ["READ_ONLY", /^Bad(NotWritable|WriteNotSupported)/],
  ["WRONG_TYPE", /^BadTypeMismatch/],
  ["OUT_OF_RANGE", /^Bad(OutOfRange|IndexRange)/],
  ["BAD_COMMAND", /^Bad(ArgumentsMissing|TooManyArguments|InvalidArgument|NotExecutable)/],
  ["FORBIDDEN", /^Bad(UserAccessDenied|SecurityModeInsufficient|IdentityTokenRejected|UserSignatureInvalid)/],
  ["TIMEOUT", /^Bad(Request)?Timeout/],
  ["UNAVAILABLE", /^Bad(NoCommunication|CommunicationError|NotConnected|DeviceFailure|SensorFailure|OutOfService|ServerHalted|Shutdown|ServerNotConnected|ConnectionClosed|ConnectionRejected|Session|SecureChannel|TooManyOperations|ResourceUnavailable|OutOfMemory|WaitingForInitialData)/],
];

/** The error that a StatusCode of the server stands for. `what` was wanted, such as `write "speed"`. */
export function errorOfStatus(status: StatusCode, what: string): CommandError {
  const name = status.name.split("#", 1)[0]!;
  return new CommandError(codes.find(([, pattern]) => pattern.test(name))?.[0] ?? "FAILED", `Cannot ${what}: the server says ${name}`, { status: name });
}

/** The error for a request as a whole that came to nothing: what was thrown by the client library is told by the StatusCode in it, its text stays with the log. */
export function errorOfFault(fault: unknown, what: string): CommandError {
  if (fault instanceof CommandError) return fault;
  const text = fault instanceof Error ? fault.message : String(fault);
  const status = /\b(?:Bad|Uncertain)[A-Z]\w+/.exec(text)?.[0];
  const code = codes.find(([, pattern]) => status !== undefined && pattern.test(status))?.[0] ?? (/timeout|timed out/i.test(text) ? "TIMEOUT" : "UNAVAILABLE");
  return new CommandError(code, `Cannot ${what}: ${status === undefined ? "the connection to the server failed" : `the server says ${status}`}`, { cause: fault, ...(status === undefined ? {} : { status }) });
}
