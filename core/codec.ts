import type { Slab } from "./codec/slab.ts";
import type { Message, Qos } from "./envelope.ts";
import type { ErrorFrame, Frame } from "./frame.ts";
import type { CloseCode } from "./session/transport.ts";

/** On which terms a message is delivered: the subscription that brings it. */
export interface DeliveryTerms {
  /** Its filter. */
  readonly topic: string;
  /** The most that it asked for. */
  readonly qos: Qos;
  /** Deliver as binary frames. */
  readonly binary?: boolean | undefined;
  /** Whether it is a retained value that is handed over as the subscription begins (MQTT 3.1.1 §3.3.1.3). Default false. */
  readonly kept?: boolean | undefined;
}

/**
 * Bytes to frames and back, for one connection: a codec may remember what it saw there (a device id, interned strings). Pure and synchronous:
 * it knows no socket and no clock.
 */
export interface Codec {
  /**
   * Decodes one whole frame at `bytes[start..end)`; the bytes belong to the codec's messages until those are dropped. Usually one Frame; an array where
   * one frame of a device says several things, empty where it says nothing.
   * @throws {SyntaxError} when the bytes do not decode at all: the connection ends.
   * @throws {BusbarError} BAD_FRAME when they decode to something invalid: the frame is refused.
   */
  decode(bytes: Uint8Array, start: number, end: number): Frame | readonly Frame[];
  /**
   * For protocols without an auth frame: the id of the device that speaks in this message, under which its commands wait. Default: `message.from`.
   */
  identity?(message: Message): string;
  /** One frame for the peer, without the transport's framing; undefined when this protocol has no word for it. Envelopes go through `encodeMessage`. */
  encode(frame: Exclude<Frame, Message>): Uint8Array | undefined;
  /** An envelope for the peer, without the transport's framing; undefined when this protocol cannot say it (a status to a device that only takes commands). `terms`: the subscription that brings it; absent for a command that comes without one. */
  encodeMessage(message: Message, offset: number | undefined, terms?: DeliveryTerms): Uint8Array | undefined;
  /** Whether the protocol can say this error only by ending the connection, as one that has no word for no. Default: never. */
  isFatal?(error: ErrorFrame): boolean;
  /** The last words to the peer before the connection ends from our side. Default: none. */
  farewell?(code: CloseCode): Uint8Array | undefined;
  /** Milliseconds in which the peer has promised to say something; after that it is gone (MQTT 3.1.1 §3.1.2.10). 0 = it promised nothing. Default 0. */
  readonly silence?: number;
}

/** Makes a codec for each connection. */
export interface CodecFactory {
  /** Its name in a config, such as "iot-data". */
  readonly name: string;
  create(): Codec;
  /**
   * Whether the protocol has auth, subscribe and ack frames (`envelope`, JSON). Where it has none (`iot-data`), the listener's config says how a
   * client is known, and qos and acks stay with the transport.
   */
  readonly session: boolean;
}

/** Cuts a byte stream into frames, for one connection. Takes any chunking. */
export interface Deframer {
  /**
   * Takes the next chunk and calls `onFrame` for each frame that is complete, with its place in a buffer. The buffer is the chunk itself wherever a frame lies
   * wholly in it; the deframer never writes to a buffer again once it has handed it out.
   * @throws {BusbarError} TOO_LARGE when a frame is longer than the limit: as soon as its length is known.
   * @throws {SyntaxError} when the framing itself is broken.
   */
  push(chunk: Uint8Array, onFrame: (bytes: Uint8Array, start: number, end: number) => void): void;
  /** Bytes of an incomplete frame that are held. */
  readonly pending: number;
}

/** How frames are cut and made. */
export interface Framing {
  readonly name: string;
  /** `limit`: bytes of one frame without its framing. */
  createDeframer(limit: number): Deframer;
  /** The frame with its framing around it: in new bytes, or, where a slab is given, preferably in a piece of it. */
  frame(payload: Uint8Array, slab?: Slab): Uint8Array;
}
