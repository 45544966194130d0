/**
 * Lines of text over TCP, `<device> <tag> <number>`, as statuses of the devices.
 *
 * @module
 */
import { once } from "node:events";
import { createServer, type AddressInfo, type Socket } from "node:net";
import { definePlugin, errorText, lineFraming, portNumber } from "@busbar/core";
import * as v from "valibot";

const framing = lineFraming({ dropCarriageReturn: true });
const lineLimit = 1024;
const utf8 = new TextDecoder();

/** The plugin. */
export default definePlugin({
  name: "my-protocol",
  description: "Devices that speak my-protocol: lines of text over TCP",
  config: v.strictObject({
    host: v.pipe(v.optional(v.string(), "127.0.0.1"), v.description("Address to listen on")),
    port: v.pipe(v.optional(portNumber(), 7001), v.description("TCP port; 0 takes any free one")),
  }),
  async setup({ config, bus, log, metrics, announce, defer, fail }) {
    const refused = metrics.counter("busbar_lines_refused_total", "Lines that are no <device> <tag> <number>");
    const sockets = new Set<Socket>();
    const server = createServer((socket) => {
      sockets.add(socket);
      socket.on("close", () => sockets.delete(socket));
      const deframer = framing.createDeframer(lineLimit);
      const onLine = (bytes: Uint8Array, start: number, end: number): void => {
        const [, from, tag = "", value] = /^([\w.:@/-]+) (\w+) (-?\d+(?:\.\d+)?)$/.exec(utf8.decode(bytes.subarray(start, end))) ?? [];
        if (from !== undefined) return void bus.publish({ type: "status", from, payload: { [tag]: Number(value) } });
        refused.value++;
        log.warn("refused a line", { remote: socket.remoteAddress });
      };
      socket.on("data", (chunk) => {
        try {
          deframer.push(chunk, onLine);
        } catch (error) {
          log.warn("ended a connection", { remote: socket.remoteAddress, cause: errorText(error) });
          socket.destroy();
        }
      });
      socket.on("error", () => {}); // "close" follows, and there is nothing to put right
    });
    await once(server.listen(config.port, config.host), "listening");
    server.on("error", fail);
    defer(() => {
      server.close();
      for (const socket of sockets) socket.destroy();
    });
    announce({ what: "Lines over TCP", url: `tcp://${config.host}:${(server.address() as AddressInfo).port}` });
  },
});
