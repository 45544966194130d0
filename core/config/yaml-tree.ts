import { isAlias, isMap, isScalar, isSeq, LineCounter, parseDocument, type Document, type Node, type Pair } from "yaml";
import type { Reporter } from "./reporter.ts";
import { refusedKeys, treeLimits, type Path, type Place, type SourceNode } from "./source-tree.ts";

/** The largest config text that is read, in characters. */
const textLimit = 4 * 1024 * 1024;

/**
 * Reads YAML 1.2, and JSON, which is a part of it, as a tree with places. Everything wrong is reported; undefined is returned when the text is so wrong
 * that the rest cannot be judged.
 */
export function readYaml(text: string, report: Reporter): SourceNode | undefined {
  const top = { line: 1, column: 1 };
  if (text.length > textLimit) {
    report.add(top, [], `is ${text.length} characters long`, `at most ${textLimit} are read`);
    return undefined;
  }
  const lines = new LineCounter();
  const doc = parseDocument(text, { lineCounter: lines, prettyErrors: false, uniqueKeys: false, stringKeys: false });
  const placeOf = (offset: number): Place => {
    const { line, col } = lines.linePos(offset);
    return { line: Math.max(1, line), column: Math.max(1, col) };
  };
  for (const error of [...doc.errors, ...doc.warnings]) {
    const place = placeOf(error.pos[0]);
    const braces = text.slice(error.pos[0] - 1, error.pos[0] + 1) === "${";
    if (braces) report.add(place, [], "${ cannot stand without quotes between { } or [ ]", 'write "${…}"');
    else report.add(place, [], error.message.split("\n")[0]!.replace(/:$/, ""), error.code === "TAB_AS_INDENT" ? "indent with spaces" : undefined);
    if (braces) break; // what follows is said of the same braces
  }
  if (doc.errors.length > 0) return undefined;
  if (doc.contents === null) return { kind: "map", place: top, entries: new Map() };
  return new Walker(doc, placeOf, report).node(doc.contents, [], 0, top);
}

class Walker {
  readonly #doc: Document;
  readonly #placeOf: (offset: number) => Place;
  readonly #report: Reporter;
  #nodes = 0;

  constructor(doc: Document, placeOf: (offset: number) => Place, report: Reporter) {
    this.#doc = doc;
    this.#placeOf = placeOf;
    this.#report = report;
  }

  node(node: unknown, path: Path, depth: number, around: Place): SourceNode {
    const place = this.#place(node) ?? around;
    const nothing: SourceNode = { kind: "scalar", place, value: null, broken: true };
    if (depth > treeLimits.depth) {
      this.#report.add(place, path.slice(0, 4), `is nested more than ${treeLimits.depth} levels deep`);
      return nothing;
    }
    if (++this.#nodes > treeLimits.nodes) {
      if (this.#nodes === treeLimits.nodes + 1) this.#report.add(place, path.slice(0, 4), `holds more than ${treeLimits.nodes} values once its aliases are resolved`);
      return nothing;
    }
    if (isAlias(node)) {
      const target = node.resolve(this.#doc);
      if (target) return this.node(target, path, depth + 1, place);
      this.#report.add(place, path, `*${node.source} names no anchor that stands before it`);
      return nothing;
    }
    if (isMap(node)) return { kind: "map", place, entries: this.#entries(node.items, path, depth, place) };
    if (isSeq(node)) return { kind: "list", place, items: node.items.map((item, at) => this.node(item, [...path, at], depth + 1, place)) };
    return { kind: "scalar", place, value: isScalar(node) ? node.value : null };
  }

  #entries(items: readonly Pair[], path: Path, depth: number, around: Place): Map<string, { place: Place; node: SourceNode }> {
    const entries = new Map<string, { place: Place; node: SourceNode }>();
    for (const pair of items) {
      const place = this.#place(pair.key) ?? around;
      if (!isScalar(pair.key)) {
        this.#report.add(place, path, "has a key that is not plain text");
        continue;
      }
      const key = String(pair.key.value);
      const first = entries.get(key);
      if (refusedKeys.has(key)) this.#report.add(place, [...path, key], "this key is not allowed anywhere");
      else if (first) this.#report.add(place, [...path, key], `${path.length === 1 && path[0] === "plugins" ? "two plugins with one id" : "the key is there twice"}: the first is at ${first.place.line}:${first.place.column}`);
      else entries.set(key, { place, node: this.node(pair.value, [...path, key], depth + 1, place) });
    }
    return entries;
  }

  #place(node: unknown): Place | undefined {
    const range = (node as Node | null)?.range;
    return range ? this.#placeOf(range[0]) : undefined;
  }
}
