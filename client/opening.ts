import type { ClientError } from "./client-error.ts";
import type { Envelope } from "./envelope.ts";
import { isSealed, type OpenOptions } from "./sealed.ts";
import type { Opener } from "./sealing/open.ts";
import type { MessageHandler } from "./subscription.ts";

/** Gives a message with its payload opened; one that is not sealed as it is. @throws {ClientError} SEALED when it cannot be opened. */
export type OpenMessage = (message: Envelope) => Envelope | Promise<Envelope>;

/** Makes the function that opens messages. What it takes is loaded with the first one that is sealed. */
export function createOpening({ keys }: OpenOptions): OpenMessage {
  let opener: Promise<Opener> | undefined;
  return (message) => {
    if (!isSealed(message.payload)) return message;
    opener ??= import("./sealing/open.ts").then(({ Opener }) => new Opener(keys));
    return opener.then(async (one) => ({ ...message, payload: await one.open(message.payload, message) }));
  };
}

/** A handler that gets messages opened. One that cannot be opened is told of and passed by: it would not open the next time either. */
export function openingHandler(handler: MessageHandler, { open, problem }: { readonly open: OpenMessage; readonly problem: (error: ClientError) => void }): MessageHandler {
  return (message) => {
    const opened = open(message);
    return opened instanceof Promise ? opened.then(handler, problemOf(problem)) : handler(opened);
  };
}

function problemOf(problem: (error: ClientError) => void): (error: unknown) => void {
  return (error) => problem(error as ClientError);
}
