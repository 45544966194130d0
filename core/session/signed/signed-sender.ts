import type { Principal } from "../../authority.ts";
import type { Receipt } from "../../bus.ts";
import type { Draft, SignatureFields } from "../../envelope.ts";
import type { SignedMode } from "./settings.ts";

/** By what rule a message is checked, and who has handed it in. */
export interface SignatureCheck {
  readonly mode: SignedMode;
  readonly principal: Principal;
}

/** Takes signed messages for listeners that have no sessions, such as the HTTP API. The kernel provides it. */
export interface SignedSender {
  /**
   * Verifies a message that `principal` has handed in and sends it in its name. Resolves with undefined when it is not signed and need not be: it is then up to the caller to send it. At qos 0 the
   * receipt's offset says nothing.
   * @throws {BusbarError} FORBIDDEN, BAD_FRAME, OVERLOAD: see WIRE §6.
   */
  send(draft: Draft, check: SignatureCheck & { readonly signature: SignatureFields }): Promise<Receipt | undefined>;
}
