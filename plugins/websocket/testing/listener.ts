import { testPlugin, until, type TestGateway, type TestPluginOptions } from "@busbar/core/testkit";
import http from "@busbar/http";
import type { ClientOptions } from "ws";
import { websocket } from "../mod.ts";
import { Client } from "./client.ts";
import { RawClient } from "./raw-client.ts";

/** A gateway that listens on a free port, and its clients, which end with it. */
export interface Listener extends AsyncDisposable {
  readonly gateway: TestGateway;
  readonly url: string;
  readonly port: number;
  /** A client whose handshake has begun; JSON unless told otherwise. */
  client(protocols?: readonly string[], options?: ClientOptions): Client;
  /** A client whose handshake is done and, with a token, who is logged in. */
  connect(token?: string, protocols?: readonly string[], options?: ClientOptions): Promise<Client>;
  /** A connection on which nothing has been said. */
  socket(): RawClient;
  /** A connection after the handshake and, with a token, after the login. */
  raw(token?: string): Promise<RawClient>;
  /** Resolves once the condition holds. @throws {Error} after 20 s. */
  until(holds: () => boolean, what: string): Promise<void>;
}

/** Opens it. `http`: what the http plugin's config says besides the port. */
export async function openListener(config: object = {}, { http: httpConfig = {}, ...options }: TestPluginOptions & { readonly http?: object } = {}): Promise<Listener> {
  const gateway = await testPlugin(websocket, config, { ...options, plugins: { ...options.plugins, http: [http, { port: 0, ...httpConfig }] } });
  const url = gateway.urls[0]!;
  const port = Number(new URL(url).port);
  const clients: Client[] = [];
  const raws: RawClient[] = [];
  const client = (protocols: readonly string[] = ["busbar.v1.json"], clientOptions: ClientOptions = {}): Client => {
    const made = new Client(url, protocols, clientOptions);
    clients.push(made);
    return made;
  };
  const socket = (): RawClient => {
    const made = new RawClient(port);
    raws.push(made);
    return made;
  };
  return {
    gateway,
    url,
    port,
    client,
    socket,
    async connect(token, protocols, clientOptions) {
      const made = await client(protocols, clientOptions).opened();
      return token === undefined ? made : made.login(token);
    },
    async raw(token) {
      const made = socket();
      made.upgrade(new URL(url).pathname);
      await made.upgraded;
      if (token === undefined) return made;
      made.sendJson({ type: "auth", deviceId: token.split(":")[0], token });
      await made.json("auth_response");
      return made;
    },
    async until(holds, what) {
      await until(what, holds);
    },
    async [Symbol.asyncDispose]() {
      for (const { ws } of clients) ws.terminate();
      for (const raw of raws) raw.socket.destroy();
      await Promise.all([...clients.map(({ closed }) => closed), ...raws.map(({ ended }) => ended)]);
      await gateway.stop();
    },
  };
}
