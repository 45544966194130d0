/** Why the plant refused a write or a command. Each server has its own name for it: a status code, an exception code, an error in the answer. */
export type PlantErrorCode = "NO_SUCH_MACHINE" | "NO_SUCH_TAG" | "NO_SUCH_METHOD" | "READ_ONLY" | "WRONG_TYPE" | "OUT_OF_RANGE" | "BAD_COMMAND" | "FORBIDDEN";

/** A write or command that the plant refused; nothing was changed. Branch on `code`. Trying again does not help. */
export class PlantError extends Error {
  readonly code: PlantErrorCode;
  readonly retryable = false;

  constructor(code: PlantErrorCode, message: string) {
    super(message);
    this.name = "PlantError";
    this.code = code;
  }
}
