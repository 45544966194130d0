import { defineAdapter } from "../../../../adapter.ts";
import { lineFraming } from "../../../../framing/line.ts";

const decoder = new TextDecoder();
const encoder = new TextEncoder();

/** A private protocol for the tests of isolates: `<device> <value>` and `! <msgid>`, a line each; `spin` and `exit` are what a bug in a parser could do. */
export default defineAdapter({
  name: "line-devices",
  description: "Lines",
  port: 0,
  framing: lineFraming(),
  answers: true,
  codec: () => ({
    decode(frame) {
      const [device = "", value = ""] = decoder.decode(frame).split(" ");
      if (device === "!") return { answer: { msgid: value } };
      if (device === "exit") setTimeout(() => {
        throw new Error("a bug");
      }, 1);
      if (device === "exit") return [];
      if (!/^[a-z0-9-]+$/.test(device)) throw new SyntaxError("Cannot decode the line: it names no device");
      return { type: "status", from: device, msgid: `m${value}`, qos: 1, payload: { value: Number(value) } };
    },
    encode: (command) => encoder.encode(`do ${command.msgid} ${JSON.stringify(command.payload)}`),
    acknowledge: (msgid) => encoder.encode(`ok ${msgid}`),
  }),
});
