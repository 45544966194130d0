import { createClient, type Client, type Envelope } from "@busbar/client";
import { subjectOf } from "./api.js";

/** A message as the gateway sends it. */
export type Message = Pick<Envelope, "type" | "from" | "to" | "timestamp" | "payload" | "msgid">;

/** How the connection stands. `replaced`: another window speaks for this id now. */
export type State = "connecting" | "live" | "waiting" | "replaced";

/** What a connection is for, and who hears of it. */
export interface LiveOptions {
  readonly token: string;
  /** Patterns, and whether what was missed is to come after a lost connection: alarms must; for values, their history is fetched where it is looked at. */
  readonly topics: Readonly<Record<string, { readonly resume: boolean }>>;
  readonly onMessage: (message: Message) => void;
  /** `retryIn`: milliseconds to the next attempt, when waiting. */
  readonly onState: (state: State, retryIn?: number) => void;
  /** The gateway does not believe the token. */
  readonly onRefused: () => void;
}

/** The page's connection to the gateway that served it: a client of the SDK. */
export class Live {
  readonly #options: LiveOptions;
  #client: Client | undefined;

  constructor(options: LiveOptions) {
    this.#options = options;
  }

  /** Connects now; whatever connection there was is given up. */
  connect(): void {
    this.close();
    const { token, topics, onMessage, onState } = this.#options;
    const client = createClient({ url: `${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, id: subjectOf(token) ?? "console", token, reconnect: { max: 15_000 } });
    this.#client = client;
    client.on("state", (state, { retryIn, error }) => {
      if (client !== this.#client) return;
      if (state === "online") void ready.then(() => client === this.#client && client.state === "online" && onState("live"));
      else if (state === "offline") onState("waiting", retryIn);
      else if (state === "connecting") onState("connecting");
      else if (error?.code === "REPLACED") onState("replaced");
      else this.#options.onRefused();
    });
    client.on("problem", (error) => console.warn(error.message));
    const ready = Promise.all(Object.entries(topics).map(([pattern, { resume }]) => client.subscribe(pattern, onMessage, { resume }).ready)).catch(() => {}); // `problem` tells of what was refused
  }

  /** Ends it for good. */
  close(): void {
    const client = this.#client;
    this.#client = undefined;
    void client?.close();
  }
}
