import { create, toBinary } from "@bufbuild/protobuf";
import { FrameSchema } from "../../../core/proto/gen/busbar/v1/envelope_pb.ts";
import { IoTDataSchema, UserInformSchema } from "../../../core/proto/gen/busbar/v1/devices_pb.ts";

/** The bytes of an `IoTData` with one reading. */
export function iotData(deviceId: string): Uint8Array {
  return toBinary(IoTDataSchema, create(IoTDataSchema, { deviceId, readings: [{ sensorId: "temperature", value: 1000, unit: "°C" }] }));
}

/** The bytes of a `UserInform` of that user. */
export function userInform(userId: number): Uint8Array {
  return toBinary(UserInformSchema, create(UserInformSchema, { userId, sensorType: 2, sensorId: 3, sensorValue: 40 }));
}

/** The bytes of a `Frame` with an envelope whose fields are as they are given, however impossible; the payload is JSON text. */
export function envelopeFrame({ json, ...fields }: { readonly type: string; readonly from?: string; readonly to?: string; readonly msgid?: string; readonly qos?: number; readonly retain?: boolean; readonly json: string }): Uint8Array {
  return toBinary(FrameSchema, create(FrameSchema, { frame: { case: "envelope", value: { ver: "1.0", ...fields, payload: { case: "json", value: json } } } }));
}
