/*
 * The process of an isolate on Node. Nothing imports it: the gateway starts it with file descriptor 3 as the way across the border.
 */
import { Socket } from "node:net";
import process from "node:process";
import { createUnframer, frameBatch } from "./process-frames.ts";
import { runIsolate } from "./run-isolate.ts";

const socket = new Socket({ fd: 3, readable: true, writable: true });
const isolate = runIsolate({ post: (batch) => void socket.write(frameBatch(batch)), waiting: () => socket.writableLength });
const push = createUnframer((batch) => isolate.take(batch));
socket.on("data", push);
socket.on("error", () => process.exit(1));
socket.on("close", () => process.exit(0)); // the gateway is gone
const onError = (error: unknown): void => {
  isolate.crashed(error);
  socket.end(() => process.exit(1));
};
process.on("uncaughtException", onError);
process.on("unhandledRejection", onError);
process.on("SIGINT", () => {}); // a terminal sends it to everybody: the gateway decides when this one stops
