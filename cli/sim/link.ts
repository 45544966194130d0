/** What a simulated device hears of its connection. */
export interface LinkEvents {
  /** Authenticated: it may send. */
  ready(): void;
  /** A message is durable. */
  acked(): void;
  /** The gateway refused a frame; the connection stays. */
  refused(reason: string): void;
  /** The connection is gone, or never came about. Called once. */
  closed(reason: string): void;
}

/** A message that a device reports. */
export interface Report {
  readonly from: string;
  readonly msgid: string;
  readonly timestamp: number;
  readonly qos: 0 | 1 | 2;
  readonly payload: object;
}

/** A device's connection, whatever its protocol. */
export interface Link {
  send(report: Report): void;
  /** Bytes that the system has not taken yet. */
  buffered(): number;
  close(): void;
}

/** Opens a connection and authenticates; everything that follows comes by event. */
export type OpenLink = (url: URL, identity: { readonly id: string; readonly token: string }, events: LinkEvents) => Link;
