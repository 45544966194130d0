import { subjectOf } from "./api.js";

/**
 * @typedef {{ readonly type: string, readonly from: string, readonly to: string, readonly timestamp: number, readonly payload: unknown, readonly msgid: string }} Message
 * @typedef {"connecting" | "live" | "waiting" | "replaced"} State
 * @typedef {{ token: string, topics: readonly string[], onMessage: (message: Message) => void, onState: (state: State, retryIn?: number) => void, onRefused: () => void }} LiveOptions
 */

const firstPause = 500;
const longestPause = 15_000;
const pingEvery = 20_000;
const deadAfter = 60_000;

/** The connection to the gateway (WIRE §2): authenticates, subscribes, and comes back after it was lost. */
export class Live {
  /** @type {LiveOptions} */
  #options;
  /** @type {WebSocket | undefined} */
  #socket;
  #pause = firstPause;
  /** @type {ReturnType<typeof setTimeout> | undefined} */
  #timer;
  /** @type {ReturnType<typeof setInterval> | undefined} */
  #pings;
  #heard = 0;
  #ended = false;
  #retryNow = () => {
    if (this.#timer !== undefined && document.visibilityState === "visible") this.connect();
  };

  /** @param {LiveOptions} options */
  constructor(options) {
    this.#options = options;
    addEventListener("online", this.#retryNow);
    document.addEventListener("visibilitychange", this.#retryNow);
  }

  /** Connects now; whatever connection there was is given up. */
  connect() {
    this.#drop();
    this.#options.onState("connecting");
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}/ws`, ["busbar.v1.json"]);
    this.#socket = socket;
    this.#heard = Date.now();
    socket.onopen = () => {
      const { token } = this.#options;
      this.#send({ type: "auth", deviceId: subjectOf(token), token });
    };
    socket.onmessage = ({ data }) => {
      this.#heard = Date.now();
      if (typeof data === "string") this.#receive(JSON.parse(data));
    };
    socket.onclose = ({ code }) => this.#lost(code);
    this.#pings = setInterval(() => {
      if (Date.now() - this.#heard > deadAfter) this.#lost(0);
      else if (socket.readyState === WebSocket.OPEN) this.#send({ type: "ping" });
    }, pingEvery);
  }

  /** Ends it for good. */
  close() {
    this.#ended = true;
    this.#drop();
    removeEventListener("online", this.#retryNow);
    document.removeEventListener("visibilitychange", this.#retryNow);
  }

  /** @param {any} frame */
  #receive(frame) {
    if (frame.type === "auth_response") {
      if (frame.status !== "success") return this.#refused();
      for (const topic of this.#options.topics) this.#send({ type: "subscribe", topic, ref: topic });
    } else if (frame.type === "subscribed") {
      this.#pause = firstPause;
      if (frame.ref === this.#options.topics.at(-1)) this.#options.onState("live");
    } else if (typeof frame.from === "string") {
      this.#options.onMessage(frame);
    } else if (frame.type === "error") {
      console.warn("The gateway refused a frame", frame.code, frame.message);
    }
  }

  #refused() {
    this.close();
    this.#options.onRefused();
  }

  /** @param {number} code */
  #lost(code) {
    this.#drop();
    if (this.#ended) return;
    if (code === 4401 || code === 4403) return this.#refused();
    if (code === 4009) return this.#options.onState("replaced"); // two pages that take it from each other would never end
    const wait = this.#pause * (0.75 + Math.random() / 2);
    this.#pause = Math.min(longestPause, this.#pause * 2);
    this.#options.onState("waiting", wait);
    this.#timer = setTimeout(() => this.connect(), wait);
  }

  #drop() {
    clearTimeout(this.#timer);
    clearInterval(this.#pings);
    this.#timer = undefined;
    const socket = this.#socket;
    this.#socket = undefined;
    if (!socket) return;
    socket.onopen = socket.onmessage = socket.onclose = null;
    socket.close();
  }

  /** @param {object} frame */
  #send(frame) {
    this.#socket?.send(JSON.stringify(frame));
  }
}
