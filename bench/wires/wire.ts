/** Who a connection of the load generator says it is. */
export interface Identity {
  readonly id: string;
  readonly token: string;
}

/** How the load generator prepares one publisher's frames. */
export interface TemplateOptions {
  /** Index of the publisher, 0–99,999; goes into the marker of every message. */
  readonly publisher: number;
  readonly qos: 0 | 1;
}

/**
 * One encoded message whose changing parts have fixed places, so that a new message is a few bytes patched instead of an
 * encoding. Offsets count from the first byte of `bytes`; -1 = the wire has no such part.
 */
export interface FrameTemplate {
  readonly bytes: Uint8Array;
  /** Where the nine ASCII digits of the sequence number stand. */
  readonly sequenceAt: number;
  /** Where the two bytes of an MQTT packet id stand. */
  readonly packetIdAt: number;
  /** Where a six-byte varint of milliseconds since the Unix epoch stands. */
  readonly timestampAt: number;
}

/** What a publisher's connection tells the load. */
export interface PublisherEvents {
  /** Authenticated; may publish. */
  ready(): void;
  /** One publish of qos 1 was acknowledged. */
  acked(): void;
  /** The server refused a frame or the connection. */
  refused(reason: string): void;
  send(bytes: Uint8Array): void;
}

/** What a subscriber's connection tells the load. */
export interface SubscriberEvents {
  /** The subscription is live. */
  ready(): void;
  /** One delivery: the whole packet, valid during the call only. */
  message(bytes: Uint8Array, start: number, end: number): void;
  refused(reason: string): void;
  send(bytes: Uint8Array): void;
}

/** The client's half of one connection: what to say first, and what to make of received bytes. */
export interface Peer {
  readonly hello: Uint8Array;
  /** Takes the first `length` bytes of `bytes`, which the caller reuses afterwards. */
  receive(bytes: Uint8Array, length: number): void;
}

/** A protocol of the load generator: publishers, subscribers and pre-encoded messages of one wire format. */
export interface Wire {
  createPublisher(identity: Identity, events: PublisherEvents): Peer;
  createTemplate(identity: Identity, options: TemplateOptions): FrameTemplate;
  /**
   * Whether a delivery says what the message `marker` of device `from` said, with everything that the wire promises: a server that drops
   * fields or garbles them would otherwise be the fastest.
   */
  isComplete(delivery: Uint8Array, expected: { readonly marker: string; readonly from: string; readonly qos: 0 | 1 }): boolean;
  /** @throws Error when the load generator has no subscriber for this wire. */
  createSubscriber(identity: Identity, options: { readonly qos: 0 | 1 }, events: SubscriberEvents): Peer;
}
