/**
 * Lines of text over TCP: a device says `meter-1 temperature 21.5`, is told `! <msgid> meter-1 {"on":true}`, and answers `ok <msgid>` or `error <msgid>`.
 *
 * @module
 */
import { BusbarError, defineAdapter, lineFraming } from "@busbar/core";

const toText = new TextDecoder();
const toBytes = new TextEncoder();

/** The plugin. */
export default defineAdapter({
  name: "my-protocol",
  description: "Devices that speak my-protocol: lines of text over TCP",
  port: 7001,
  framing: lineFraming({ dropCarriageReturn: true }),
  answers: true,
  codec: () => ({
    decode(frame) {
      const line = toText.decode(frame);
      const [, status, msgid] = /^(ok|error) (\S+)$/.exec(line) ?? [];
      if (msgid !== undefined) return { answer: { msgid, status: status === "ok" ? "ok" : "error" } };
      const [, from, tag = "", value] = /^(\S+) (\w+) (-?\d+(?:\.\d+)?)$/.exec(line) ?? [];
      if (from === undefined) throw new BusbarError("BAD_FRAME", "Cannot read the line: it is no <device> <tag> <number>");
      return { type: "status", from, payload: { [tag]: Number(value) } };
    },
    encode: ({ msgid, to, payload }) => toBytes.encode(`! ${msgid} ${to} ${JSON.stringify(payload)}`),
  }),
});
