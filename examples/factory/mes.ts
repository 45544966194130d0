import { createHmac, timingSafeEqual } from "node:crypto";
import { once } from "node:events";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { definePlugin, portNumber } from "@busbar/core";
import * as v from "valibot";

const configSchema = v.strictObject({
  port: v.pipe(v.optional(portNumber(), 8091), v.description("TCP port on 127.0.0.1, 0 for any free one. Default 8091.")),
  secret: v.pipe(v.string(), v.minLength(16), v.description("What the webhook signs its requests with, at least 16 characters.")),
  order: v.pipe(v.optional(v.pipe(v.number(), v.integer(), v.minValue(1)), 100), v.description("Parts of one production order. Default 100.")),
});

/** What of a webhook's body counts here. */
const bodySchema = v.object({
  messages: v.array(v.object({ msgid: v.string(), from: v.string(), type: v.string(), timestamp: v.number(), payload: v.unknown() })),
});

const partsSchema = v.object({ values: v.array(v.object({ tag: v.string(), value: v.unknown() })) });
const alarmSchema = v.object({ event: v.literal("alarm"), alarm: v.string(), state: v.string() });

/** Seconds that a signature may be old. */
const signatureAge = 300;
/** Bytes of one request. */
const bodyLimit = 1024 * 1024;
/** Messages that are remembered, so that one that comes again counts once. */
const rememberLimit = 10_000;

/** One production order. */
interface Order {
  readonly number: number;
  made: number;
  readonly stops: { readonly alarm: string; readonly at: string; readonly state: string }[];
}

/**
 * A manufacturing execution system, as small as one can be, in the place of the real one: it takes what the line has made and what stopped it from a webhook, books that on production orders, and shows them at
 * `GET /orders`. Like a real one it checks the signature and counts a message that comes again once.
 */
export default definePlugin({
  name: "mes",
  description: "A small stand-in for a manufacturing execution system, behind a webhook",
  config: configSchema,
  async setup(ctx) {
    const { secret, order: size } = ctx.config;
    const orders: Order[] = [{ number: 1, made: 0, stops: [] }];
    const seen = new Set<string>();

    const book = (parts: number): void => {
      for (let left = parts; left > 0; ) {
        const order = orders.at(-1)!;
        const taken = Math.min(left, size - order.made);
        order.made += taken;
        left -= taken;
        if (order.made < size) continue;
        ctx.log.info("an order is done", { order: order.number, parts: size });
        orders.push({ number: order.number + 1, made: 0, stops: [] });
        if (orders.length > 100) orders.shift();
      }
    };
    const take = (body: v.InferOutput<typeof bodySchema>): void => {
      for (const { msgid, from, timestamp, payload } of body.messages) {
        const key = `${from} ${msgid}`;
        if (seen.has(key)) continue;
        seen.add(key);
        if (seen.size > rememberLimit) for (const oldest of seen) if (seen.delete(oldest)) break;
        const alarm = v.safeParse(alarmSchema, payload);
        if (alarm.success) orders.at(-1)!.stops.push({ alarm: `${from} ${alarm.output.alarm}`, state: alarm.output.state, at: new Date(timestamp).toISOString() });
        const report = v.safeParse(partsSchema, payload);
        const parts = report.success ? report.output.values.find(({ tag }) => tag === "parts")?.value : undefined;
        if (typeof parts === "number" && parts > 0) book(Math.round(parts));
      }
    };
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      if (request.method === "GET" && request.url === "/orders") return say(response, 200, { orders });
      if (request.method !== "POST" || request.url !== "/line") return say(response, 404, { error: "not found" });
      const text = await readBody(request);
      if (text === undefined) return say(response, 413, { error: "too large" });
      if (!isSigned(text, { header: request.headers["x-busbar-signature"], secret, now: ctx.clock.now() / 1000 })) return say(response, 401, { error: "the signature is missing or wrong" });
      const body = v.safeParse(bodySchema, parseJson(text));
      if (!body.success) return say(response, 422, { error: v.summarize(body.issues) });
      take(body.output);
      say(response, 200, { taken: body.output.messages.length });
    };

    const server = createServer((request, response) => {
      answer(request, response).catch((error: unknown) => {
        ctx.log.warn("a request to the MES failed", { error });
        response.destroy();
      });
    });
    server.listen(ctx.config.port, "127.0.0.1");
    await once(server, "listening");
    ctx.defer(() => {
      server.closeAllConnections();
      server.close();
    });
    ctx.announce({ what: "MES", url: `http://127.0.0.1:${(server.address() as AddressInfo).port}/orders` });
  },
});

async function readBody(request: IncomingMessage): Promise<string | undefined> {
  const chunks: Buffer[] = [];
  let size = 0;
  for await (const chunk of request as AsyncIterable<Buffer>) {
    size += chunk.length;
    if (size > bodyLimit) return undefined;
    chunks.push(chunk);
  }
  return Buffer.concat(chunks).toString();
}

/** `X-Busbar-Signature: t=<seconds>,v1=<hex HMAC-SHA-256 of "<seconds>.<body>">`. */
function isSigned(body: string, { header, secret, now }: { readonly header: string | string[] | undefined; readonly secret: string; readonly now: number }): boolean {
  const [, seconds, shown] = /^t=(\d{1,12}),v1=([0-9a-f]{64})$/.exec(String(header)) ?? [];
  if (seconds === undefined || Math.abs(now - Number(seconds)) > signatureAge) return false;
  return timingSafeEqual(Buffer.from(shown!, "hex"), createHmac("sha256", secret).update(`${seconds}.${body}`).digest());
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function say(response: ServerResponse, status: number, body: object): void {
  response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
}
