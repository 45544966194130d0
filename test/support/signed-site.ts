import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { TestContext } from "node:test";
import { envelopeJson, envelopeProto, type Envelope, type GatewaySettings, type SignedMode } from "@busbar/core";
import { openAuthority, PeerDriver, testPlugin, until, type TestGateway } from "@busbar/core/testkit";
import http from "@busbar/http";
import storageSqlite from "@busbar/storage-sqlite";
import tcpProtobuf from "@busbar/tcp-protobuf";
import websocket from "@busbar/websocket";
import { openPeer } from "./open-peer.ts";
import { jsonFrame, protoFrame, type WireEnvelope } from "./sign-message.ts";

/** Keys with which the devices of a SignedSite sign; home-7 has two. */
export const key = "the message key of home-7, 32 bytes or more";
/** The other one of home-7. */
export const newKey = "the message key of home-7 after its rotation";
/** That of home-7/lamp. */
export const lampKey = "the message key of home-7/lamp, 32 bytes or more";
/** That of home-8. */
export const otherKey = "the message key of home-8, 32 bytes or more";
const messageKeys = { "home-7": [key, newKey], "home-7/lamp": [lampKey], "home-8": [otherKey] };
const codecs = { ws: envelopeJson, wsProto: envelopeProto, tcp: envelopeProto } as const;
/** How a client speaks. */
export type Way = keyof typeof codecs;

interface SiteSettings {
  readonly mode: SignedMode;
  readonly folder: string | undefined;
  readonly gateway: Partial<GatewaySettings>;
}

/** A gateway on which every listener hears signed messages, and what its bus has carried of type status. */
export class SignedSite {
  readonly seen: Envelope[] = [];
  readonly #settings: SiteSettings;
  gateway!: TestGateway;

  private constructor(settings: SiteSettings) {
    this.#settings = settings;
  }

  static async open(t: TestContext, { mode = "require", durable = false, gateway = {} }: { readonly mode?: SignedMode; readonly durable?: boolean; readonly gateway?: Partial<GatewaySettings> } = {}): Promise<SignedSite> {
    const folder = durable ? await mkdtemp(join(tmpdir(), "busbar-signed-")) : undefined;
    const site = new SignedSite({ mode, folder, gateway });
    await site.#start();
    t.after(async () => {
      await site.gateway.stop();
      if (folder !== undefined) await rm(folder, { recursive: true, force: true });
    });
    return site;
  }

  async #start(): Promise<void> {
    const { mode, folder, gateway } = this.#settings;
    this.gateway = await testPlugin(websocket, { signed: mode }, {
      authority: openAuthority({ messageKeys }),
      gateway,
      plugins: { http: [http, { port: 0, signed: mode }], tcp: [tcpProtobuf, { port: 0, signed: mode }], ...(folder === undefined ? {} : { storage: [storageSqlite, { file: "journal.db" }] }) },
      ...(folder === undefined ? {} : { cwd: folder }),
    });
    this.gateway.bus.subscribe("status/#", (message) => void this.seen.push(message));
  }

  async restart(): Promise<void> {
    await this.gateway.stop();
    await this.#start();
  }

  async login(way: Way, id = "home-7"): Promise<SignedPeer> {
    const url = way === "tcp" ? this.gateway.status("tcp").addresses[0]!.url : this.gateway.urls[0]!;
    return await loginAt(url, way, id);
  }

  refusals(reason: string): number {
    return this.gateway.metric(`busbar_signed_refused_total{reason="${reason}"}`);
  }

  /** What status messages have come, once there are so many. */
  async arrived(count: number): Promise<readonly Envelope[]> {
    await until(`${count} messages`, () => this.seen.length >= count);
    return this.seen;
  }
}

/** A client that is logged in. */
export class SignedPeer {
  readonly driver: PeerDriver;
  readonly #way: Way;

  constructor(driver: PeerDriver, way: Way) {
    this.driver = driver;
    this.#way = way;
  }

  send(envelope: WireEnvelope): void {
    this.driver.sendBytes(this.#way === "ws" ? jsonFrame(envelope) : protoFrame(envelope));
  }

  /** Sends it, and gives "ack" or the error's code. */
  async say(envelope: WireEnvelope): Promise<string> {
    this.send(envelope);
    return await this.answer();
  }

  async answer(): Promise<string> {
    const { type, code } = await this.driver.next();
    return type === "error" ? String(code) : type;
  }
}

/** Connects to a listener and logs in. */
export async function loginAt(url: string, way: Way, id: string, token = id): Promise<SignedPeer> {
  const driver = new PeerDriver(await openPeer(url, codecs[way]), codecs[way]);
  driver.auth(token, id);
  await driver.next("auth_response");
  return new SignedPeer(driver, way);
}

/** The time in so many seconds. */
export const shift = (seconds: number): number => Date.now() + seconds * 1000;
