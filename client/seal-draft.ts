import { ClientError } from "./client-error.ts";
import { formatPayload, readPayload, type Outgoing } from "./envelope.ts";
import type { SealOptions } from "./sealed.ts";

/**
 * The message with its payload sealed. What it takes is loaded with the first message that needs it. `from`: who says it where the message does not.
 * @throws {ClientError} SEALED when it cannot be sealed, as a key is none.
 */
export async function sealDraft(message: Outgoing, { seal, from }: { readonly seal: SealOptions; readonly from: string }): Promise<Outgoing> {
  const { to = "server", type, msgid, timestamp, payload } = message;
  try {
    const { sealPayload } = await import("./sealing/seal.ts");
    const sealed = await sealPayload(readPayload(JSON.parse(payload)), { ...seal, binding: { from: message.from ?? from, to, type: type === "control" ? "command" : type, msgid, timestamp } });
    return { ...message, payload: formatPayload(sealed) };
  } catch (cause) {
    throw new ClientError("SEALED", `Cannot seal the message: ${cause instanceof Error ? cause.message : String(cause)}`, { cause });
  }
}
