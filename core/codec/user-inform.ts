import type { Codec, CodecFactory } from "../codec.ts";
import { Message } from "../envelope.ts";
import { UserInformSchema, UserOrderSchema } from "../proto/gen/busbar/v1/devices_pb.ts";
import { compileMessage } from "./compile.ts";

/** What the compiled decoder makes of `UserInform`; all int32. */
interface UserInform {
  readonly identifiers: number;
  readonly user_id: number;
  readonly sensor_type: number;
  readonly sensor_id: number;
  readonly sensor_value: number;
}

/**
 * `busbar.v1.UserInform` and `UserOrder` (WIRE §3). In: a `status` from `user/<user_id>/<sensor_type>/<sensor_id>` with the payload `{"value":sensor_value}`, and
 * `"identifiers"` where that is not 0. Out: commands to `user/<user_id>`, or to one sensor, `user/<user_id>/<sensor_type>/<sensor_id>`, with the payload
 * `{"order":n}`; `sensor_type`, `sensor_id` and `identifiers` may stand beside it, default what the address says, or 0. All numbers are int32. Any other message has no
 * word in this protocol: `encodeMessage` gives undefined.
 *
 * A user's gateway has to speak first: open its session with `commands: "on-input"`.
 */
export const userInform: CodecFactory = { name: "user-inform", session: false, create: () => codec };

const inform = compileMessage(UserInformSchema);
const order = compileMessage(UserOrderSchema);

const codec: Codec = {
  decode(bytes, start, end) {
    const { identifiers, user_id, sensor_type, sensor_id, sensor_value } = inform.decode(bytes, start, end) as unknown as UserInform;
    const text = identifiers === 0 ? `{"value":${sensor_value}}` : `{"value":${sensor_value},"identifiers":${identifiers}}`;
    return Message.fromJsonText({ type: "status", payload: undefined, from: `user/${user_id}/${sensor_type}/${sensor_id}` }, text);
  },

  /** The user: its commands wait under `user/<user_id>`, whatever sensor has spoken. */
  identity({ from }) {
    return from.slice(0, from.indexOf("/", "user/".length));
  },

  encode: () => undefined,

  encodeMessage(message) {
    if (message.type !== "command") return undefined;
    const [, user, type = "0", sensor = "0"] = /^user\/(-?\d{1,10})(?:\/(-?\d{1,10})\/(-?\d{1,10}))?$/.exec(message.to) ?? [];
    const { payload } = message;
    if (user === undefined || typeof payload !== "object" || payload === null || !("order" in payload)) return undefined;
    const { order: value, sensor_type = Number(type), sensor_id = Number(sensor), identifiers = 0 } = payload as Readonly<Record<string, unknown>>;
    const fields = { identifiers, user_id: Number(user), sensor_type, sensor_id, order: value };
    return Object.values(fields).every(isInt32) ? order.encode(fields) : undefined;
  },
};

const isInt32 = (value: unknown): boolean => typeof value === "number" && (value | 0) === value;
