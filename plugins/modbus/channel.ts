/** One request to one unit. */
export interface ModbusRequest {
  /** Unit id: 0-255 over TCP, 1-247 on a line. */
  readonly unit: number;
  /** Function code and data, 1-253 bytes. */
  readonly pdu: Uint8Array;
  /** Milliseconds that the answer may take, counted from when the request is sent. */
  readonly timeout: number;
}

/** What a channel counts, over all connections of an instance. */
export interface ChannelCounts {
  /** Answers that nobody waited for (any more): they came late, or with another transaction, unit or function. */
  late: number;
  /** Bytes on a line that belonged to no answer. */
  noise: number;
}

/** One open connection: requests go out, each answer comes back to its request. */
export interface Channel {
  /** Requests that may be on their way at once. */
  readonly depth: number;
  /**
   * Sends a request. Resolves with the data of its answer (`answerData`), which the caller owns.
   * @throws {ModbusFault} with the promise: exception, no-answer, malformed, no-connection.
   */
  exchange(request: ModbusRequest): Promise<Uint8Array>;
  /** Resolves with the reason when the connection has ended. */
  readonly ended: Promise<string>;
  /** Ends the connection; what is on its way fails with no-connection. */
  close(): void;
}
