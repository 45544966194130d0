import { defineAdapter, lineFraming } from "@busbar/core";

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });

/** Acme meters speak lines: `LOGIN m-17 <token>`, `READ <number> temperature=23.5 power=410`, `DONE <command>`; they are told `SET <command> relay=on`. */
export default defineAdapter({
  name: "acme-meter",
  description: "Acme meters over TCP",
  port: 7100,
  framing: lineFraming(),
  login: true,
  answers: true,
  codec: () => ({
    decode(line) {
      const [word, first = "", ...rest] = decoder.decode(line).split(" ");
      if (word === "LOGIN") return { login: { id: first, token: rest[0] ?? "" } };
      if (word === "DONE") return { answer: { msgid: first } };
      if (word !== "READ") throw new SyntaxError(`Cannot read a line that begins with "${word}"`);
      const values = Object.fromEntries(rest.map((pair) => pair.split("=")).map(([tag, value]) => [tag, Number(value)]));
      return { type: "status", msgid: first, qos: 1, payload: values };
    },
    encode: ({ msgid, payload }) => encoder.encode(`SET ${msgid} ${Object.entries(payload as object).map((pair) => pair.join("=")).join(" ")}`),
    welcome: () => encoder.encode("HELLO"),
    acknowledge: (number) => encoder.encode(`OK ${number}`),
  }),
});
