import { toJsonObject } from "@busbar/core";
import { openStorage } from "../../plugins/storage-sqlite/storage.ts";
import type { GatewayProcess } from "./gateway-process.ts";
import type { Rig } from "./rig.ts";
import type { Found, Verdict } from "./verdict.ts";
import type { Witness } from "./witness.ts";

const page = 5000;

/**
 * Reads the whole journal twice, over HTTP from the running gateway and, after it has stopped, from its file, and hands every entry of the file to the verdict. Gives a sentence
 * for each difference: between the two, and from what the witnesses saw.
 */
export async function checkJournal(parts: { readonly rig: Rig; readonly gateway: GatewayProcess; readonly verdict: Verdict; readonly witnesses: readonly Witness[]; readonly pruned: boolean; readonly token: string }): Promise<readonly string[]> {
  const { rig, gateway, verdict, witnesses, pruned, token } = parts;
  const problems: string[] = [];
  const overHttp = await readOverHttp((await gateway.ready).get("HTTP API")!, token);
  const code = await gateway.stop();
  if (code !== 0) problems.push(`the gateway ended with ${code} at SIGTERM`);
  let at = 0;
  await readFile(rig.file, (entry) => {
    verdict.take(entry);
    while (pruned && at < overHttp.length && overHttp[at]!.offset! < entry.offset) at++;
    const shown = overHttp[at];
    if (shown !== undefined && entry.offset === shown.offset) {
      at++;
      if (entry.from !== shown.from || entry.msgid !== shown.msgid) problems.push(`offset ${entry.offset} is ${entry.msgid} of ${entry.from} in the file and ${shown.msgid} of ${shown.from} over HTTP`);
    }
    for (const witness of witnesses) {
      const seen = witness.offsetOf(entry.from, Number(entry.msgid));
      if (seen !== undefined && seen !== entry.offset) problems.push(`${witness.id} saw message ${entry.msgid} of ${entry.from} at offset ${seen}, it is at ${entry.offset}`);
    }
  });
  if (at !== overHttp.length) problems.push(`offset ${overHttp[at]?.offset} is there over HTTP and not in the file`);
  return problems.slice(0, 20);
}

/** Offset, sender and msgid of every entry. */
async function readOverHttp(url: string, token: string): Promise<readonly Omit<Found, "payload">[]> {
  const found: Omit<Found, "payload">[] = [];
  let cursor: string | undefined;
  do {
    const response = await fetch(`${url}/api/messages?limit=${page}${cursor === undefined ? "" : `&cursor=${encodeURIComponent(cursor)}`}`, { headers: { authorization: `Bearer ${token}` } });
    if (!response.ok) throw new Error(`GET /api/messages answers ${response.status}: ${await response.text()}`);
    const { messages, next } = (await response.json()) as { readonly messages: readonly Found[]; readonly next?: string };
    for (const { offset, from, msgid } of messages) found.push({ offset, from, msgid });
    cursor = next;
  } while (cursor !== undefined);
  return found;
}

/** Hands over every entry of a journal's file that nobody has open, in order. */
export async function readFile(file: string, each: (entry: Found & { readonly offset: number }) => void): Promise<void> {
  const storage = await openStorage({ file });
  try {
    const { first, last } = storage.journal.bounds();
    for (let after = first - 1; after < last; ) {
      const { entries, until } = await storage.journal.read({ after, limit: page });
      for (const { message, offset } of entries) each({ ...(toJsonObject(message) as unknown as Found), offset });
      after = until;
    }
  } finally {
    await storage.close();
  }
}
