import assert from "node:assert/strict";
import { test } from "node:test";
import { StatusCode, StatusCodes } from "node-opcua-client";
import { CommandError, errorOfFault, errorOfStatus } from "./command-error.ts";
import { codeOf, qualityOf } from "./status-code.ts";

const withBits = (status: StatusCode, bits: number): StatusCode => StatusCode.makeStatusCode(status, bits as never);

test("qualityOf() and codeOf() keep what a StatusCode says", () => {
  for (const [status, quality, code] of [
    [StatusCodes.Good, "good", undefined],
    [StatusCodes.GoodClamped, "good", "GoodClamped"],
    [StatusCodes.UncertainLastUsableValue, "uncertain", "UncertainLastUsableValue"],
    [StatusCodes.BadNoCommunication, "bad", "BadNoCommunication"],
    [withBits(StatusCodes.Good, 0x0400), "good", undefined],
    [withBits(StatusCodes.Good, 0x0480), "good", "Good#Overflow"],
    [withBits(StatusCodes.Good, 0x0600), "good", "Good#LimitHigh"],
    [withBits(StatusCodes.UncertainSensorNotAccurate, 0x0780), "uncertain", "UncertainSensorNotAccurate#Overflow|LimitConstant"],
    [withBits(StatusCodes.Good, 0x4000), "good", "Good#SemanticsChanged"],
    [withBits(StatusCodes.Good, 0x0402), "good", "Good#Interpolated"],
    [withBits(StatusCodes.Good, 0x0080), "good", undefined], // bits without their type mean nothing
  ] as const) {
    assert.equal(qualityOf(status), quality, status.toString());
    assert.equal(codeOf(status), code, status.toString());
    assert.equal(codeOf(status), code, "the same when it is seen again");
  }
});

test("errorOfStatus() names the code that a caller branches on and keeps the server's", () => {
  for (const [status, code] of [
    [StatusCodes.BadNodeIdUnknown, "NO_SUCH_TAG"],
    [StatusCodes.BadNotWritable, "READ_ONLY"],
    [StatusCodes.BadTypeMismatch, "WRONG_TYPE"],
    [StatusCodes.BadOutOfRange, "OUT_OF_RANGE"],
    [StatusCodes.BadUserAccessDenied, "FORBIDDEN"],
    [StatusCodes.BadTimeout, "TIMEOUT"],
    [StatusCodes.BadDeviceFailure, "UNAVAILABLE"],
    [StatusCodes.BadMethodInvalid, "NO_SUCH_METHOD"],
    [StatusCodes.BadEventIdUnknown, "NO_SUCH_ALARM"],
    [StatusCodes.BadInvalidState, "FAILED"],
  ] as const) {
    const error = errorOfStatus(status, 'write "speed"');
    assert.deepEqual([error.code, error.status, error.message], [code, status.name, `Cannot write "speed": the server says ${status.name}`]);
  }
});

test("errorOfFault() tells a caller the code and keeps the text of the library as the cause", () => {
  const fault = new Error("serviceResult = BadSessionIdInvalid (0x80250000) for opc.tcp://secret-host:4840");
  const error = errorOfFault(fault, "write");
  assert.deepEqual([error.code, error.status, error.retryable, error.cause], ["UNAVAILABLE", "BadSessionIdInvalid", true, fault]);
  assert.ok(!error.message.includes("secret-host"));
  assert.equal(errorOfFault(new Error("Transaction has timed out"), "write").code, "TIMEOUT");
  const own = new CommandError("READ_ONLY", "Cannot");
  assert.equal(errorOfFault(own, "write"), own);
});
