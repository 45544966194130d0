import { createClient } from "/client/mod.ts";

const line = "acme/berlin/packaging/line-1";
/** What stands at the top: tags of the line as a whole. */
const figures = [
  { tag: "parts.rate", title: "Parts a minute", digits: 1 },
  { tag: "parts", title: "Parts in ten seconds", digits: 0 },
  { tag: "power.mean", title: "Power of the conveyor, kW", digits: 1 },
];

const byId = (id) => document.getElementById(id);
const token = readToken();
if (token === undefined) {
  byId("sign-in").hidden = false;
  showState("offline", "Signed out");
} else run(token);

/** The token of the console of this tab. */
function readToken() {
  try {
    return JSON.parse(sessionStorage.getItem("busbar.session") ?? "{}").token;
  } catch {
    return undefined;
  }
}

function run(token) {
  for (const figure of figures) fill(figureOf(figure), undefined, {});
  const client = createClient({ url: `${location.origin.replace(/^http/, "ws")}/ws`, id: JSON.parse(atob(token.split(".")[1].replaceAll("-", "+").replaceAll("_", "/"))).sub, token });
  client.on("state", (state, { error }) => {
    if (state === "closed") byId("sign-in").hidden = false;
    showState(state === "online" ? "online" : "offline", { online: "Live", connecting: "Connecting…", offline: "Offline, trying again" }[state] ?? error?.message);
  });
  client.subscribe(`status/${line}/#`, ({ from, payload }) => showDevice(from, payload.values ?? []));
  client.subscribe(`event/${line}/#`, ({ from, payload, timestamp }) => payload.event === "alarm" && showAlarm(from, payload, timestamp), { since: 0 });
}

function showState(state, text) {
  byId("state").dataset.state = state;
  byId("state").textContent = text;
}

/** Readings of a machine, or of the line as a whole. */
function showDevice(device, values) {
  for (const { tag, value, quality } of values) {
    const figure = device === line && figures.find((one) => one.tag === tag);
    if (figure) fill(figureOf(figure), value, { quality, digits: figure.digits });
  }
  if (device === line) return;
  const card = entry(byId("machines"), `machine-${device}`, () => rows("article", ["h3", device.split("/").at(-1)]));
  for (const { tag, value, unit, quality } of values) {
    const row = entry(card, `${device}/${tag}`, () => rows("p", ["span", unit ? `${tag}, ${unit}` : tag], ["span", ""]));
    fill(row, value, { quality, digits: 1 });
  }
}

function figureOf({ tag, title }) {
  return entry(byId("figures"), `figure-${tag}`, () => rows("div", ["dt", title], ["dd", ""]));
}

/** The newest state of each alarm; what is over leaves the list. */
function showAlarm(device, { alarm, state, message }, timestamp) {
  const item = entry(byId("alarms"), `alarm-${device}-${alarm}`, () => rows("li", ["time", ""], ["strong", `${device} ${alarm}`], ["span", ""]));
  item.dataset.active = String(state === "raised");
  item.children[0].textContent = new Date(timestamp).toLocaleTimeString();
  item.children[2].textContent = message ?? state;
  if (state === "cleared") item.remove();
}

/** The element of that key within another one, made where it is missing. */
function entry(parent, key, create) {
  const id = key.replace(/[^\w-]/g, "_");
  const found = document.getElementById(id);
  if (found) return found;
  const made = create();
  made.id = id;
  parent.append(made);
  return made;
}

function rows(tag, ...children) {
  const element = document.createElement(tag);
  for (const [name, text] of children) element.append(Object.assign(document.createElement(name), { textContent: text }));
  return element;
}

function fill(element, value, { quality = "good", digits }) {
  element.lastElementChild.textContent = typeof value === "number" ? value.toLocaleString(undefined, { maximumFractionDigits: digits }) : String(value ?? "–");
  element.dataset.quality = quality;
}
