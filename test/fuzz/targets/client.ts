import { createClient, type Client, type Transport } from "@busbar/client";
import { bytesOf, type FuzzTarget } from "../engine/fuzz-target.ts";

const frames = [
  '{"ver":"1.0","msgid":"m","timestamp":5,"from":"a","to":"server","type":"status","payload":{"t":23.5},"qos":1,"retain":true,"offset":3}',
  '{"ver":"1.0","msgid":"c","timestamp":5,"from":"boss","to":"app","type":"command","payload":{"$base64":"AQI="},"qos":1,"expires":99999999999999}',
  '{"type":"auth_response","status":"success","timestamp":5}',
  '{"type":"subscribed","topic":"status/#","ref":"1","offset":5,"epoch":"e"}',
  '{"type":"ack","msgid":"m","status":"ok"}',
  '{"type":"ack","msgid":"c","status":"error","payload":{"code":"NO"}}',
  '{"type":"error","code":"UNKNOWN_OFFSET","message":"no","ref":"1","oldest":5,"epoch":"f"}',
  '{"type":"error","code":"OVERLOAD","message":"later","msgid":"m"}',
  '{"type":"pong"}',
];

const types: ReadonlySet<string> = new Set(frames.map((text) => (JSON.parse(text) as { readonly type: string }).type));

/** A gateway that says anything: the app that uses the SDK must not notice more than what it asked for. */
let app: Client;

const client: FuzzTarget = {
  name: "client-frame",
  about: "what a gateway, or who pretends to be one, sends to the SDK",
  seeds: frames.map(bytesOf),
  words: ['"type":"', '"msgid":"', '"offset":', '"epoch":"', '"ref":"', '{"$base64":"', '"code":"', '"payload":', "null"].map(bytesOf),
  open() {
    const utf8 = new TextDecoder();
    let say: (frame: object) => void = () => {};
    const transport: Transport = {
      open(_url, events) {
        say = (frame) => events.frame(frame as never);
        queueMicrotask(() => {
          events.opened();
          say({ type: "auth_response", status: "success", timestamp: 1 });
        });
        return { publish: () => {}, send: () => {}, buffered: () => 0, close: () => {} };
      },
    };
    app = createClient({ url: "ws://127.0.0.1:1/", id: "app", token: "t", transport, heartbeat: { interval: 3_600_000 } });
    let heard = 0;
    app.subscribe("status/#", () => void heard++);
    app.onCommand(() => ({ done: true }));
    return async (bytes) => {
      let frame: unknown;
      try {
        frame = JSON.parse(utf8.decode(bytes));
      } catch {
        return "no JSON";
      }
      if (typeof frame !== "object" || frame === null || !("type" in frame)) return "no frame";
      const before = heard;
      say(frame);
      await Promise.resolve();
      return `${types.has(String(frame.type)) ? String(frame.type) : typeof frame.type} ${heard > before ? "heard" : ""} ${app.state}`;
    };
  },
  close: () => app.close(),
};

/** What comes to the other side. */
export const clientTargets: readonly FuzzTarget[] = [client];
