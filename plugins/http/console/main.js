import { ApiError, call } from "./api.js";
import { Chart } from "./chart.js";
import { Devices } from "./devices.js";
import { byId } from "./dom.js";
import { showExposure } from "./exposure.js";
import { Events, presenceOf } from "./events.js";
import { Live } from "./live.ts";
import { askForToken, endSession, openSession } from "./login.js";

const topics = { "event/#": { resume: true }, "status/#": { resume: false } };

let { token, message = "" } = await openSession();
for (;;) {
  token ??= await askForToken(message);
  message = await run(token);
  endSession();
  token = undefined;
}

/**
 * Shows the console until the token is no good any more or is put away.
 *
 * @param {string} token
 * @returns {Promise<string>} why it ended
 */
async function run(token) {
  const session = { token };
  const devices = new Devices(session, (device, tag) => chart.show(device, tag));
  const chart = new Chart(session, devices);
  const events = new Events();
  let count = 0;
  byId("console").hidden = false;
  byId("sign-out").hidden = false;
  /** @type {(reason: string) => void} */
  let end = () => {};
  /** @type {Promise<string>} */
  const ended = new Promise((resolve) => (end = resolve));

  /** @param {import("./live.ts").Message} message */
  const takeEvent = (message) => {
    const presence = presenceOf(message);
    if (presence?.device === "console") return; // that is us
    if (presence) devices.presence(presence.device, presence.online, message.timestamp);
    events.add(message);
  };
  const catchUp = async () => {
    try {
      showExposure(token).catch((error) => console.warn("Cannot ask what listens without TLS", error)); // who may not see that sees no notice
      await devices.load();
      await chart.load();
      const { messages } = await call(`/api/messages?topic=${encodeURIComponent("event/#")}&since=${Date.now() - 900_000}&limit=500`, { token });
      for (const event of messages) takeEvent(event);
    } catch (error) {
      if (error instanceof ApiError && error.status === 401) end("The session has ended: sign in again.");
      else console.warn("Cannot fetch what happened before", error);
    }
  };
  const live = new Live({
    token,
    topics,
    onMessage(message) {
      count++;
      if (message.type === "event") takeEvent(message);
      if (message.type !== "status") return;
      const readings = devices.take(message);
      chart.take(message.to === "server" ? message.from : message.to, readings, message.timestamp);
    },
    onState(state, retryIn) {
      showState(state, retryIn);
      if (state === "live") void catchUp();
    },
    onRefused: () => end("The gateway does not believe this token (any more)."),
  });
  byId("reconnect").onclick = () => live.connect();
  byId("sign-out").onclick = () => end("You have signed out.");
  const rate = setInterval(() => {
    byId("rate").textContent = count === 0 ? "" : `${count} messages/s`;
    count = 0;
  }, 1000);
  // Who went away in silence is known to the gateway alone.
  const refresh = setInterval(() => {
    if (document.visibilityState === "visible" && byId("connection").dataset.state === "live") devices.load().catch(() => {});
  }, 30_000);
  live.connect();

  const reason = await ended;
  clearInterval(rate);
  byId("rate").textContent = "";
  clearInterval(refresh);
  live.close();
  chart.close();
  byId("devices").replaceChildren();
  byId("events").replaceChildren();
  byId("sign-out").hidden = true;
  byId("insecure").hidden = true;
  showState("signed-out");
  return reason;
}

/**
 * @param {import("./live.ts").State | "signed-out"} state
 * @param {number} [retryIn] milliseconds
 */
function showState(state, retryIn = 0) {
  const texts = {
    connecting: "Connecting…",
    live: "Live",
    waiting: `Offline, next try in ${Math.max(1, Math.round(retryIn / 1000))} s`,
    replaced: "Open in another window",
    "signed-out": "Signed out",
  };
  byId("connection").dataset.state = state;
  byId("connection-text").textContent = texts[state];
  byId("reconnect").hidden = state !== "replaced";
}
