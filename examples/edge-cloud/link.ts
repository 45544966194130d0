import { once } from "node:events";
import { connect, createServer, type Socket } from "node:net";
import { definePlugin, duration, portNumber } from "@busbar/core";
import * as v from "valibot";

const configSchema = v.strictObject({
  port: v.pipe(portNumber(), v.description("TCP port on 127.0.0.1 that stands for the near end of the line.")),
  to: v.pipe(portNumber(), v.description("TCP port on 127.0.0.1 at the far end.")),
  cut: v.pipe(v.optional(v.strictObject({ every: duration(1000, 86_400_000), for: duration(100, 86_400_000) })), v.description("How often the line is cut, and for how long. Default: never.")),
});

/** A line that is cut now and then: whatever connects to its near end is connected to the far end, while it holds. */
export default definePlugin({
  name: "link",
  description: "A simulated line between two gateways that is cut now and then",
  config: configSchema,
  async setup(ctx) {
    const { port, to, cut } = ctx.config;
    const sockets = new Set<Socket>();
    let up = true;
    const keep = (socket: Socket): Socket => {
      sockets.add(socket);
      socket.on("error", () => socket.destroy());
      socket.on("close", () => sockets.delete(socket));
      return socket;
    };
    const server = createServer((near) => {
      if (!up) return void near.destroy();
      const far = connect(to, "127.0.0.1");
      for (const socket of [keep(near), keep(far)]) socket.on("close", () => (socket === near ? far : near).destroy());
      near.pipe(far);
      far.pipe(near);
    });
    const drop = (): void => sockets.forEach((socket) => socket.destroy());
    server.listen(port, "127.0.0.1");
    await once(server, "listening");
    ctx.defer(() => {
      drop();
      server.close();
    });
    if (!cut) return;
    let mend = (): void => {};
    ctx.defer(() => mend());
    ctx.defer(ctx.clock.every(cut.every, () => {
      ctx.log.info("the line to the cloud is cut", { for: cut.for });
      up = false;
      drop();
      mend = ctx.clock.after(cut.for, () => {
        ctx.log.info("the line to the cloud holds again");
        up = true;
      });
    }));
  },
});
