import assert from "node:assert/strict";
import { canonicalJson } from "../../../core/session/signed/canonical-json.ts";
import { Reporter } from "../../../core/config/reporter.ts";
import { readYaml } from "../../../core/config/yaml-tree.ts";
import { createNetworkTest, covers, isId, isJson, isNetwork, isPattern, matches, maxPayloadDepth, overlaps, plainAddress, remoteAddress } from "@busbar/core";
import { bytesOf, type FuzzRun, type FuzzTarget } from "../engine/fuzz-target.ts";
import { outcomeOf, shape } from "./codecs.ts";

const utf8 = new TextDecoder("utf-8", { fatal: true });
const lenient = new TextDecoder();

/** A target whose inputs are texts; what is no UTF-8 is read as `TextDecoder` reads it. */
export function textTarget(name: string, about: string, { seeds, words = [], run, maxLength }: { readonly seeds: readonly string[]; readonly words?: readonly string[]; readonly maxLength?: number; readonly run: (text: string) => string | Promise<string> }): FuzzTarget {
  return { name, about, seeds: seeds.map(bytesOf), words: words.map(bytesOf), ...(maxLength === undefined ? {} : { maxLength }), open: () => (bytes) => run(lenient.decode(bytes)) };
}

/** Two topic filters and a topic, a line each: the three functions that rights stand on must agree. */
const topics = (text: string): string => {
  const [one = "", other = "", topic = ""] = text.split("\n");
  const filters = isPattern(one) && isPattern(other);
  if (isPattern(topic) && !/[+#]/.test(topic) && filters) {
    if (covers(one, other) && matches(other, topic)) assert.ok(matches(one, topic), "what is covered is granted");
    if (matches(one, topic) && matches(other, topic)) assert.ok(overlaps(one, other), "what both match is common to both");
    assert.equal(overlaps(one, other), overlaps(other, one));
  }
  return `${filters ? `filters ${covers(one, other)} ${overlaps(one, other)}` : "no filters"}, ${isId(topic) ? "id" : "no id"}`;
};

/** The checker of JSON text against the parser of the runtime. */
const json: FuzzRun = (bytes) => {
  let value: unknown;
  let valid = true;
  try {
    value = JSON.parse(utf8.decode(bytes));
    if (bytes[0] === 0xef) valid = false; // a byte order mark, which decoders swallow
  } catch {
    valid = false;
  }
  const deep = valid && depthOf(value) > maxPayloadDepth;
  assert.equal(isJson(bytes, 0, bytes.length, maxPayloadDepth), valid && !deep, "isJson() says what JSON.parse() says");
  if (!valid || deep) return deep ? "too deep" : "no JSON";
  try {
    const canonical = canonicalJson(value);
    assert.equal(canonicalJson(JSON.parse(canonical)), canonical, "the canonical form is its own");
  } catch (error) {
    return outcomeOf(error);
  }
  return `JSON ${Array.isArray(value) ? "array" : typeof value}`;
};

function depthOf(value: unknown): number {
  if (typeof value !== "object" || value === null) return 0;
  let deepest = 0;
  for (const one of Object.values(value)) deepest = Math.max(deepest, depthOf(one));
  return deepest + 1;
}

const addresses = (text: string): string => {
  const network = isNetwork(text);
  if (network) createNetworkTest(text)("127.0.0.1");
  plainAddress(text);
  remoteAddress(text);
  return network ? "network" : "other";
};

const yaml = (text: string): string => {
  const report = new Reporter("busbar.yaml");
  const tree = readYaml(text, report);
  return `${tree === undefined ? "nothing" : "a tree"}, ${shape(report.problems()[0]?.message ?? "no problem")}`;
};

/** Texts that peers send: topics and ids, JSON, addresses, certificates' names; and the config, which an operator writes. */
export const textTargets: readonly FuzzTarget[] = [
  textTarget("topics", "ids and topic filters of any peer", { seeds: ["status/#\nstatus/+/x\nstatus/a/x", "#\n+/#\nevent/home-7/door", "status/+\nstatus/a\nstatus/a", "a/b/c\na/+/c\na/b/c"], words: ["+", "#", "/", "$", "status", "will", "\n"], run: topics, maxLength: 300 }),
  { name: "json", about: "any JSON text of a peer", seeds: ['{"a":[1,-2.5e3,null,true,"\\u00e9\\n"],"b":{}}', '"\\ud83d\\ude00"', "[[[]]]", " 0 ", "-0.1E+5"].map(bytesOf), words: ["[", "{", '"', "\\u", "1e5", "null", ":", ","].map(bytesOf), open: () => json },
  textTarget("addresses", "addresses of peers, networks of the config", { seeds: ["10.0.0.0/8", "::ffff:127.0.0.1", "[fe80::1%eth0]:443"], words: ["::", "/", "%", "ffff:", "[", "]:"], run: addresses, maxLength: 300 }),
  textTarget("config-yaml", "the config, which an operator writes", { seeds: ["plugins:\n  http: { port: 8080 }\n  a:\n    use: ./x.ts\n    list: [1, 'two', \"three\"]\nroutes:\n  - from: status/#\n    to: event/{id}\n"], words: ["&a ", "*a", "<<: ", "!!js", "- ", ": ", "|\n", "? ", "${env:A}"], run: yaml, maxLength: 1500 }),
];
