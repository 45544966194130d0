/** One thing that one side of the border says: plain values, the first of them what it is about, and bytes where some belong to it. */
export interface BorderMessage {
  readonly head: readonly unknown[];
  readonly body: Uint8Array;
}

/** The largest batch that is taken, in bytes. */
export const batchLimit = 64 * 1024 ** 2;

const encoder = new TextEncoder();
const decoder = new TextDecoder("utf-8", { fatal: true });
const noBytes = new Uint8Array(0);

/** Several messages as one piece of bytes: for each, the length of its head as JSON and of its body (32 bits each, little-endian), then both. */
export function encodeBatch(messages: readonly BorderMessage[]): Uint8Array<ArrayBuffer> {
  const heads = messages.map(({ head }) => encoder.encode(JSON.stringify(head)));
  const bytes = new Uint8Array(messages.reduce((size, { body }, at) => size + 8 + heads[at]!.length + body.length, 0));
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const [index, { body }] of messages.entries()) {
    const head = heads[index]!;
    view.setUint32(at, head.length, true);
    view.setUint32(at + 4, body.length, true);
    bytes.set(head, at + 8);
    bytes.set(body, at + 8 + head.length);
    at += 8 + head.length + body.length;
  }
  return bytes;
}

/** The messages of a batch; their bodies are views of it. @throws {SyntaxError} when it is none: whoever sent it is not to be trusted with anything. */
export function decodeBatch(bytes: Uint8Array): readonly BorderMessage[] {
  if (bytes.length > batchLimit) throw new SyntaxError(`Cannot read the batch: it has ${bytes.length} bytes, more than ${batchLimit}`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const messages: BorderMessage[] = [];
  for (let at = 0; at < bytes.length; ) {
    if (at + 8 > bytes.length) throw new SyntaxError(`Cannot read the batch: it ends within the lengths at byte ${at}`);
    const headEnd = at + 8 + view.getUint32(at, true);
    const end = headEnd + view.getUint32(at + 4, true);
    if (end > bytes.length) throw new SyntaxError(`Cannot read the batch: the message at byte ${at} ends at ${end} of ${bytes.length}`);
    messages.push({ head: readHead(bytes.subarray(at + 8, headEnd), at), body: end === headEnd ? noBytes : bytes.subarray(headEnd, end) });
    at = end;
  }
  return messages;
}

function readHead(bytes: Uint8Array, at: number): readonly unknown[] {
  let head: unknown;
  try {
    head = JSON.parse(decoder.decode(bytes));
  } catch (error) {
    throw new SyntaxError(`Cannot read the batch: the head at byte ${at} is no JSON`, { cause: error });
  }
  if (!Array.isArray(head) || typeof head[0] !== "string") throw new SyntaxError(`Cannot read the batch: the head at byte ${at} names nothing`);
  return head;
}
