import assert from "node:assert/strict";
import { until } from "@busbar/core/testkit";
import { WebSocket } from "ws";
import { sumOf } from "./assert-unharmed.ts";
import { sessionTransports, type AttackTarget, type SessionTransport } from "./attack-target.ts";
import { within } from "./within.ts";

/**
 * Shows a token at every door: as the auth frame of each transport, at the upgrade to WebSocket, and over HTTP. Nobody may be let in, and for the reason that is given (a label of
 * `busbar_auth_failures_total`). `doors: "http"` leaves the auth frames out, where what has not the form of a token is taken for a device's secret.
 */
export async function assertRefused(target: AttackTarget, token: string, { as = "device-1", reason, doors = "all" }: { readonly as?: string; readonly reason: string; readonly doors?: "all" | "http" }): Promise<void> {
  const count = async (): Promise<number> => sumOf(await target.metrics(), "busbar_auth_failures_total", `reason="${reason}"`);
  const before = await count();
  const shown: Promise<void>[] = doors === "all" ? sessionTransports.map((transport) => assertNoSession(target, token, { as, transport })) : [];
  // What no header may hold never gets as far as to be a token.
  if (/^[\x21-\x7e]+$/.test(token) && token.length <= 8192) shown.push(assertNoUpgrade(target, token), assertNoAnswer(target, token));
  await Promise.all(shown);
  let counted = 0;
  await until(`there are ${shown.length} more refusals for "${reason}"`, async () => (counted = (await count()) - before) >= shown.length, { show: () => counted });
}

/** Shows a token, or a device's secret, in an auth frame: the connection ends with 4403. */
export async function assertNoSession(target: AttackTarget, token: string, { as, transport }: { readonly as: string; readonly transport: SessionTransport }): Promise<void> {
  const peer = await target.session(transport);
  peer.auth(token, as);
  const { code } = await peer.end();
  assert.equal(code, transport === "tcp" ? undefined : 4403, `${transport} as ${as}`);
}

async function assertNoUpgrade(target: AttackTarget, token: string): Promise<void> {
  assert.equal(await upgradeWith(target, token), "refused");
}

async function assertNoAnswer(target: AttackTarget, token: string): Promise<void> {
  const { status, body, headers } = await target.http({ path: "/api/devices", token });
  assert.equal(status, 401, body);
  assert.match(headers["www-authenticate"] ?? "", /^Bearer/);
}

/** Opens a WebSocket with a bearer token, and waits for what comes of it. */
export async function upgradeWith(target: AttackTarget, token: string): Promise<"refused" | "let in"> {
  const socket = new WebSocket(`ws://127.0.0.1:${target.port("http")}/ws`, ["busbar.v1.json"], { headers: { authorization: `Bearer ${token}` }, perMessageDeflate: false });
  try {
    return await within(
      new Promise<"refused" | "let in">((resolve) => {
        socket.on("message", (data: Buffer) => (JSON.parse(data.toString()) as { readonly type: string }).type === "pong" && resolve("let in"));
        socket.on("open", () => socket.send('{"type":"ping"}'));
        socket.on("error", () => resolve("refused"));
        socket.on("close", () => resolve("refused"));
      }),
      "an answer to an upgrade with a token",
    );
  } finally {
    socket.terminate();
  }
}
