import { createHmac, randomUUID } from "node:crypto";
import process from "node:process";
import { text } from "node:stream/consumers";
import { sealPayload } from "@busbar/client/sealing";
import { canonicalEnvelope, canonicalJson, isId, isType, type Qos } from "@busbar/core";
import { accessOptions, openAccess } from "../client/access.ts";
import { callApi } from "../client/api.ts";
import { defineCommand } from "../command.ts";
import { Failure, usageFailure } from "../failure.ts";
import { readMessageKey, readSealingKey } from "../sealing-keys.ts";
import { oneLine, print } from "../terminal.ts";

/** `busbar send`: one message to a running gateway. */
export default defineCommand({
  description: "Sends one message. The payload is JSON, or - for JSON on stdin. At qos 1 and 2 it prints the message's place in the journal once it is durable.",
  positionals: ["type", "payload"],
  options: {
    from: { kind: "text", value: "id", text: "who says it (default: whom the token is for, else busbar-send)" },
    to: { kind: "text", value: "id", text: "whom it is for (default: nobody in particular)" },
    qos: { kind: "choice", of: ["0", "1", "2"], text: "at most once, at least once, exactly once", fallback: "1" },
    retain: { kind: "flag", text: "keep it as the last value of its topic" },
    ttl: { kind: "duration", min: 100, max: 31_536_000_000, text: "how long it is of use; a command that is not sent by then never is" },
    replace: { kind: "text", value: "key", text: "of a command: take the place of one with this key that waits for the same device" },
    seal: { kind: "text", value: "file", many: true, text: "a reader's public key (JWK, busbar keys): only those with its private key can open the payload" },
    sign: { kind: "text", value: "file", text: "a file with the sender's message key: sign the message" },
    json: { kind: "flag", text: 'print {"msgid","offset"}' },
    ...accessOptions,
  },
  examples: [
    [`busbar send command '{"on":true}' --to lamp-1`, "switch a lamp"],
    [`busbar send command '{"brightness":40}' --to lamp-1 --ttl 10m --replace brightness`, "the last one counts when the lamp comes back"],
    ["echo '{\"temperature\":23.5}' | busbar send status - --from sensor-1", "report a value in the name of a device"],
  ],
  async run({ positionals, options }) {
    const [type = "", word = ""] = positionals;
    const { from, to, retain, ttl, replace } = options;
    if (!isType(type)) throw usageFailure(`send: "${oneLine(type)}" is no type, such as status, command or event`);
    for (const [name, id] of [["from", from], ["to", to]] as const) if (id !== undefined && !isId(id)) throw usageFailure(`send: --${name} "${oneLine(id)}" is no id`);
    if (replace !== undefined && (type !== "command" || replace === "" || Buffer.byteLength(replace) > 64)) throw usageFailure(type === "command" ? "send: --replace is a key of 1 to 64 bytes" : "send: --replace is for commands");
    const payload = parsePayload(word === "-" ? await text(process.stdin) : word);
    const access = await openAccess(options, { roles: ["admin"], ttl: 60, user: true, protocol: "ws" });
    const plain = { type, payload, msgid: randomUUID(), qos: Number(options.qos), retain, ...(from === undefined ? {} : { from }), ...(to === undefined ? {} : { to }), ...(ttl === undefined ? {} : { expires: Date.now() + ttl }), ...(replace === undefined ? {} : { replace }) };
    const sender = from ?? access.subject ?? "busbar-send";
    const token = await access.tokenFor(sender);
    const message = options.seal.length === 0 && options.sign === undefined ? plain : await protect({ timestamp: Date.now(), from: sender, to: "server", ...plain }, options);
    const receipt = await callApi<{ readonly msgid: string; readonly offset?: number }>({ at: access.url, ca: access.ca, token, path: "/api/messages", body: message, verb: "send" });
    if (options.json) print(JSON.stringify(receipt));
    else print(receipt.offset === undefined ? `sent ${receipt.msgid}` : `sent ${receipt.msgid}, offset ${receipt.offset}`);
    return 0;
  },
});

interface Unprotected {
  readonly type: string;
  readonly from: string;
  readonly to: string;
  readonly msgid: string;
  readonly timestamp: number;
  readonly payload: unknown;
  readonly qos: number;
  readonly retain: boolean;
  readonly expires?: number;
  readonly replace?: string;
}

/** Seals the payload, then signs the message, as far as that is asked for. */
async function protect(message: Unprotected, { seal, sign }: { readonly seal: readonly string[]; readonly sign?: string | undefined }): Promise<object> {
  const recipients = await Promise.all(seal.map((file) => readSealingKey(file, "send")));
  const sealed = recipients.length === 0 ? message : { ...message, payload: await sealPayload(message.payload, { recipients, binding: message }) };
  if (sign === undefined) return sealed;
  const nonce = randomUUID();
  const text = canonicalEnvelope({ ver: "1.0", ...sealed, qos: sealed.qos as Qos }, { nonce, payload: canonicalJson(sealed.payload) });
  return { ...sealed, nonce, mac: createHmac("sha256", await readMessageKey(sign, "send")).update(text).digest("base64url") };
}

function parsePayload(word: string): unknown {
  try {
    return JSON.parse(word);
  } catch (error) {
    throw new Failure(65, [`busbar: send: the payload is not JSON (${oneLine((error as SyntaxError).message)}); text is written '"text"'`]);
  }
}
