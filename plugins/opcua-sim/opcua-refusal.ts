import { type StatusCode, StatusCodes } from "node-opcua";
import type { Answer } from "./opcua-messages.ts";
import type { PlantErrorCode } from "./plant-error.ts";

const refusals: Readonly<Record<PlantErrorCode, StatusCode>> = {
  NO_SUCH_MACHINE: StatusCodes.BadNodeIdUnknown,
  NO_SUCH_TAG: StatusCodes.BadNodeIdUnknown,
  NO_SUCH_METHOD: StatusCodes.BadMethodInvalid,
  READ_ONLY: StatusCodes.BadNotWritable,
  WRONG_TYPE: StatusCodes.BadTypeMismatch,
  OUT_OF_RANGE: StatusCodes.BadOutOfRange,
  BAD_COMMAND: StatusCodes.BadInvalidArgument,
  FORBIDDEN: StatusCodes.BadUserAccessDenied,
};

/** The StatusCode of an answer of the plant: Good, or why it refused. */
export function statusOfAnswer({ refusal }: Answer): StatusCode {
  return refusal === undefined ? StatusCodes.Good : refusals[refusal];
}
