import { testPlugin, type TestGateway, type TestPluginOptions } from "@busbar/core/testkit";
import http from "@busbar/http";
import { connectAsync, type IClientOptions, type IPublishPacket, type MqttClient } from "mqtt";
import { mqttListener } from "../mod.ts";

/** One message as a client got it. */
export interface Arrival {
  readonly topic: string;
  readonly payload: string;
  readonly qos: number;
  readonly retain: boolean;
  readonly dup: boolean;
}

/** A client of MQTT.js, and what it got. */
export interface ListeningClient {
  readonly mqtt: MqttClient;
  readonly arrivals: readonly Arrival[];
  /** Resolves when its connection is gone. */
  readonly closed: Promise<void>;
  /** The next message that it has not given yet; rejects after 20 s. */
  next(): Promise<Arrival>;
}

/** A gateway with an MQTT listener on free ports. */
export interface Listening extends AsyncDisposable {
  readonly gateway: TestGateway;
  /** `mqtt://` or `mqtts://`, and `ws://`. */
  readonly urls: { readonly tcp: string; readonly ws: string };
  readonly port: number;
  /** Connects as `id`, over TCP unless told otherwise; who is refused rejects with the code. */
  connect(id: string, options?: IClientOptions & { readonly over?: "tcp" | "ws" }): Promise<ListeningClient>;
}

/** Opens it. */
export async function openListening(config: object = {}, options: TestPluginOptions = {}): Promise<Listening> {
  const gateway = await testPlugin(mqttListener, { port: 0, ...config }, { ...options, plugins: { http: [http, { port: 0 }], ...options.plugins } });
  const [tcp, ws] = gateway.urls as [string, string];
  const urls = { tcp: tcp.replace(/^tcp:/, "mqtt:").replace(/^tls:/, "mqtts:"), ws };
  const clients: MqttClient[] = [];
  return {
    gateway, urls,
    port: Number(new URL(tcp).port),
    async connect(id, { over = "tcp", ...more } = {}) {
      const mqtt = await connectAsync(urls[over], { clientId: `${id}-client`, username: id, password: id, reconnectPeriod: 0, protocolVersion: 4, manualConnect: false, ...more }, false);
      clients.push(mqtt);
      const arrivals: Arrival[] = [];
      let given = 0;
      let wake: () => void = () => {};
      mqtt.on("error", () => {});
      mqtt.on("message", (topic, payload, { qos, retain, dup }: IPublishPacket) => {
        arrivals.push({ topic, payload: payload.toString(), qos, retain, dup });
        wake();
      });
      return {
        mqtt, arrivals,
        closed: new Promise((resolve) => mqtt.once("close", () => resolve())),
        async next() {
          if (given === arrivals.length) {
            await new Promise<void>((resolve, reject) => {
              const timer = setTimeout(() => reject(new Error(`nothing came to ${id} within 20 s`)), 20_000);
              wake = () => {
                clearTimeout(timer);
                resolve();
              };
            });
          }
          return arrivals[given++]!;
        },
      };
    },
    async [Symbol.asyncDispose]() {
      for (const client of clients) client.end(true);
      await gateway.stop();
    },
  };
}
