/**
 * Why a command was not carried out. NO_SUCH_TAG, READ_ONLY, WRONG_TYPE, OUT_OF_RANGE, BAD_COMMAND: it asks for what cannot be. EXPIRED: its time was over. NO_CONNECTION, NO_ANSWER,
 * DEVICE_REFUSED, BAD_ANSWER: the device. NOT_CONFIRMED: the device took it and shows another value.
 */
export type CommandErrorCode = "NO_SUCH_TAG" | "READ_ONLY" | "WRONG_TYPE" | "OUT_OF_RANGE" | "BAD_COMMAND" | "EXPIRED" | "NO_CONNECTION" | "NO_ANSWER" | "DEVICE_REFUSED" | "BAD_ANSWER" | "NOT_CONFIRMED";

/** A command that was not carried out, or not as a whole. Branch on `code`. */
export class CommandError extends Error {
  readonly code: CommandErrorCode;

  constructor(code: CommandErrorCode, message: string, options?: ErrorOptions) {
    super(message, options);
    this.name = "CommandError";
    this.code = code;
  }
}
