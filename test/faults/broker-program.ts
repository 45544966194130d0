// A broker that writes each publish to a file before it acknowledges it, a line of JSON each, and so knows after a SIGKILL what it has promised. Words: port, file, mode.
import { closeSync, openSync, writeSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import process from "node:process";
import mqttPacket from "mqtt-packet";
import type { BrokerMode } from "./broker-process.ts";

const [port = "0", file = "", mode = "ok"] = process.argv.slice(2) as [string, string, BrokerMode];
const log = openSync(file, "a");

const server = createServer((socket) => serve(socket));
server.listen(Number(port), "127.0.0.1", () => console.log(JSON.stringify(server.address())));
process.on("SIGTERM", () => {
  closeSync(log);
  process.exit(0);
});

function serve(socket: Socket): void {
  let version: 3 | 4 | 5 = 4;
  const parser = mqttPacket.parser();
  const send = (packet: mqttPacket.Packet): void => void (socket.writable && mqttPacket.writeToStream(packet, socket, { protocolVersion: version }));
  parser.on("packet", (packet: mqttPacket.Packet) => {
    switch (packet.cmd) {
      case "connect":
        version = packet.protocolVersion === 5 ? 5 : 4;
        return send({ cmd: "connack", sessionPresent: false, ...(version === 5 ? { reasonCode: 0 } : { returnCode: 0 }) });
      case "pingreq":
        return send({ cmd: "pingresp" });
      case "publish":
        if (mode === "mute") return;
        writeSync(log, `${packet.payload.toString()}\n`);
        if (packet.qos === 1) send({ cmd: "puback", messageId: packet.messageId!, ...(version === 5 && { reasonCode: 0 }) });
        return;
    }
  });
  parser.on("error", () => socket.destroy());
  socket.on("data", (chunk) => parser.parse(chunk));
  socket.on("error", () => {});
  const cut = /^cut-(\d+)$/.exec(mode)?.[1];
  const timer = cut === undefined ? undefined : setTimeout(() => socket.destroy(), Number(cut));
  socket.on("close", () => clearTimeout(timer));
}
