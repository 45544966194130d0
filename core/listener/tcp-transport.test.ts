import assert from "node:assert/strict";
import { once } from "node:events";
import { connect, createServer, type AddressInfo, type Socket } from "node:net";
import { describe, it } from "node:test";
import { systemClock } from "../clock.ts";
import { varintFraming } from "../framing/varint.ts";
import { CloseCode } from "../session/transport.ts";
import { Framer } from "./framer.ts";
import { TcpTransport } from "./tcp-transport.ts";

interface Pair extends AsyncDisposable {
  readonly transport: TcpTransport;
  readonly socket: Socket;
  readonly peer: Socket;
  /** How often the socket was written to. */
  writes(): number;
  /** Everything the peer got, once the connection has ended. */
  received(): Promise<Uint8Array[]>;
}

const framer = new Framer(varintFraming);

async function connectPair(): Promise<Pair> {
  const server = createServer({ pauseOnConnect: true }).listen(0, "127.0.0.1");
  await once(server, "listening");
  const peer = connect((server.address() as AddressInfo).port, "127.0.0.1");
  const [socket] = (await once(server, "connection")) as [Socket];
  server.close();
  let writes = 0;
  const write = socket.write.bind(socket) as (chunk: Uint8Array) => boolean;
  socket.write = ((chunk: Uint8Array) => {
    writes++;
    return write(chunk);
  }) as Socket["write"];
  return {
    transport: new TcpTransport(socket, "peer", { framer, kind: "tcp", after: systemClock.after }),
    socket,
    peer,
    writes: () => writes,
    async received() {
      const frames: Uint8Array[] = [];
      const deframer = varintFraming.createDeframer(1 << 24);
      for await (const chunk of peer) deframer.push(chunk as Buffer, (bytes, start, end) => frames.push(new Uint8Array(bytes.subarray(start, end))));
      assert.equal(deframer.pending, 0);
      return frames;
    },
    async [Symbol.asyncDispose]() {
      for (const one of [socket, peer]) {
        if (one.closed) continue;
        one.destroy();
        await once(one, "close");
      }
    },
  };
}

describe("TcpTransport", () => {
  const payloads = Array.from({ length: 300 }, (_, at) => new Uint8Array(at).fill(at));

  it("send() writes what is sent within a turn of the event loop at once, each frame behind its length", async () => {
    await using pair = await connectPair();
    for (const payload of payloads) pair.transport.send(payload);
    const total = payloads.reduce((sum, payload) => sum + varintFraming.frame(payload).length, 0);
    assert.equal(pair.transport.buffered(), total);
    assert.equal(pair.writes(), 0);
    await new Promise((resolve) => setImmediate(resolve));
    assert.ok(pair.writes() <= 2, `${pair.writes()} writes`); // 2 where the memory for frames was full in between
    pair.transport.close(CloseCode.shuttingDown, "");
    assert.deepEqual(await pair.received(), payloads);
  });

  it("send() keeps the order of short and long frames", async () => {
    await using pair = await connectPair();
    const mixed = [100, 16_384, 16_385, 3, 200_000, 0, 70_000, 5].map((size, at) => new Uint8Array(size).fill(at));
    for (const payload of mixed) pair.transport.send(payload);
    pair.transport.close(CloseCode.shuttingDown, "");
    assert.deepEqual(await pair.received(), mixed);
  });

  it("send() may give the same bytes to many connections", async () => {
    await using one = await connectPair();
    await using other = await connectPair();
    for (const payload of payloads.slice(0, 20)) for (const { transport } of [one, other, one]) transport.send(payload);
    for (const { transport } of [one, other]) transport.close(CloseCode.shuttingDown, "");
    assert.deepEqual(await other.received(), payloads.slice(0, 20));
    assert.deepEqual(await one.received(), payloads.slice(0, 20).flatMap((payload) => [payload, payload]));
  });

  it("close() sends what is queued, then nothing more, and ends the connection", async () => {
    await using pair = await connectPair();
    pair.transport.send(Uint8Array.of(1));
    pair.transport.close(CloseCode.shuttingDown, "");
    pair.transport.send(Uint8Array.of(2));
    pair.transport.close(CloseCode.shuttingDown, "");
    assert.deepEqual(await pair.received(), [Uint8Array.of(1)]);
    if (!pair.socket.closed) await once(pair.socket, "close");
  });

  it("pause() stops reading and resume() goes on", async () => {
    await using pair = await connectPair();
    const chunks: Buffer[] = [];
    pair.socket.on("data", (chunk: Buffer) => chunks.push(chunk));
    pair.transport.pause();
    await new Promise<void>((resolve) => pair.peer.write("hello", () => resolve()));
    await new Promise((resolve) => setImmediate(resolve));
    assert.equal(chunks.length, 0);
    const arrived = once(pair.socket, "data");
    pair.transport.resume();
    await arrived;
    assert.equal(Buffer.concat(chunks).toString(), "hello");
  });
});
