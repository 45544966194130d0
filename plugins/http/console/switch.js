import { ApiError, call } from "./api.js";
import { create } from "./dom.js";

const ttl = 10;

/** A switch for the tag `on` of a device: sends the command, then shows what the device answered. */
export class Switch {
  /** @type {HTMLButtonElement} */
  #button;
  /** @type {HTMLElement} */
  #answer = create("span", { class: "answer", role: "status" });
  /** @type {HTMLElement} */
  element;
  #on = false;
  #busy = false;

  /**
   * @param {string} device
   * @param {{ readonly token: string }} session
   */
  constructor(device, session) {
    this.#button = create("button", { class: "switch", type: "button", role: "switch", "aria-checked": "false", "aria-label": `${device} on`, onclick: () => void this.#flip(device, session.token) }, create("span", { class: "knob", "aria-hidden": "true" }));
    this.element = create("span", { class: "control" }, this.#answer, this.#button);
  }

  /** @param {boolean} on as the device reports it */
  set(on) {
    if (on === this.#on) return;
    this.#on = on;
    this.#button.setAttribute("aria-checked", String(on));
  }

  /**
   * @param {string} device
   * @param {string} token
   */
  async #flip(device, token) {
    if (this.#busy) return;
    this.#busy = true;
    this.#button.setAttribute("aria-busy", "true");
    const began = performance.now();
    try {
      this.#say("pending", "sending…");
      const { msgid } = await call(`/api/devices/${encodeURIComponent(device)}/commands`, { token, body: { payload: { on: !this.#on }, ttl } });
      this.#say("pending", "waiting for an answer…");
      const command = await answerOf(msgid, token);
      const took = Math.round(performance.now() - began);
      if (command.state === "done") this.#say("ok", `done in ${took} ms`);
      else if (command.state === "failed") this.#say("bad", `refused: ${textOf(command.result)}`);
      else this.#say("bad", `no answer in ${ttl} s`);
    } catch (error) {
      this.#say("bad", error instanceof ApiError ? error.message : String(error));
    } finally {
      this.#busy = false;
      this.#button.removeAttribute("aria-busy");
    }
  }

  /**
   * @param {"pending" | "ok" | "bad"} kind
   * @param {string} text
   */
  #say(kind, text) {
    this.#answer.dataset.kind = kind;
    this.#answer.textContent = text;
  }
}

/**
 * Asks until the command is answered or too old.
 *
 * @param {string} msgid
 * @param {string} token
 * @returns {Promise<{ state: string, result?: unknown }>}
 */
async function answerOf(msgid, token) {
  const until = Date.now() + (ttl + 2) * 1000;
  for (let pause = 30; ; pause = Math.min(1000, pause * 1.6)) {
    const command = await call(`/api/commands/${encodeURIComponent(msgid)}`, { token });
    if ((command.state !== "queued" && command.state !== "sent") || Date.now() > until) return command;
    await new Promise((resolve) => setTimeout(resolve, pause));
  }
}

/** @param {unknown} result */
function textOf(result) {
  if (result === undefined || result === null) return "no reason given";
  if (typeof result === "object" && "message" in result) return String(result.message);
  return typeof result === "string" ? result : JSON.stringify(result);
}
