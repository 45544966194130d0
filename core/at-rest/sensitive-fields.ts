import { matches, routeStateType, topicOf, willType } from "../topic.ts";
import { findPlaces, parseFieldPath, type FieldPath, type FieldPlace } from "./field-path.ts";

/** Which fields of which topics are sensitive, as the config says it. */
export interface SensitiveRule {
  readonly topics: readonly string[];
  /** Paths (`parseFieldPath`). */
  readonly fields: readonly string[];
}

/** Topics whose rules are remembered; beyond it the memory starts anew. */
const cacheLimit = 20_000;
const none: readonly FieldPath[] = [];
/** Types of messages that carry another message in their payload, and where. */
const carriers: Readonly<Record<string, string>> = { "dead-letter": "message", [willType]: "will" };

/** Finds what is sensitive in a message. Bounded memory; nothing is read of a payload whose topic no rule names. */
export class SensitiveFields {
  readonly #rules: readonly { readonly topics: readonly string[]; readonly paths: readonly FieldPath[] }[];
  readonly #known = new Map<string, readonly FieldPath[]>();

  /** @throws {SyntaxError} for a path that is none. */
  constructor(rules: readonly SensitiveRule[]) {
    const parse = (text: string): FieldPath => {
      const path = parseFieldPath(text);
      if (!path) throw new SyntaxError(`Cannot use ${JSON.stringify(text)} as a field: it is not payload, payload.name, payload["any name"], payload.list[*], payload.list[0] or payload.list[name=value]`);
      return path;
    };
    this.#rules = rules.map(({ topics, fields }) => ({ topics, paths: fields.map(parse) }));
  }

  /** Whether messages of a topic and type may have something sensitive: cheap, and false for most. */
  concerns(topic: string, type: string): boolean {
    return this.#rules.length > 0 && (type === routeStateType || Object.hasOwn(carriers, type) || this.#pathsOf(topic).length > 0);
  }

  /**
   * Where something sensitive lies in a message, whose payload was parsed from JSON; none of the places lies within another. A message that is carried by a dead letter or kept as a last will is looked
   * at as what it is itself. What steps of routes remember may come from anywhere, so all of it is sensitive as soon as there is any rule.
   */
  placesIn(topic: string, type: string, payload: unknown): FieldPlace[] {
    if (type === routeStateType) return this.#rules.length > 0 ? [[]] : [];
    const places = this.#pathsOf(topic).flatMap((path) => findPlaces(payload, path));
    const at = Object.hasOwn(carriers, type) ? carriers[type]! : undefined;
    const carried = at !== undefined && isObject(payload) && Object.hasOwn(payload, at) ? payload[at] : undefined;
    if (isObject(carried)) {
      const { type: inner, from, to } = carried;
      if (typeof inner === "string" && typeof from === "string" && typeof to === "string") for (const path of this.#pathsOf(topicOf(inner, from, to))) for (const place of findPlaces(carried["payload"] ?? null, path)) places.push([at!, "payload", ...place]);
    }
    return outermost(places);
  }

  #pathsOf(topic: string): readonly FieldPath[] {
    let paths = this.#known.get(topic);
    if (paths !== undefined) return paths;
    const found = this.#rules.filter(({ topics }) => topics.some((pattern) => matches(pattern, topic))).flatMap((rule) => rule.paths);
    paths = found.length === 0 ? none : found;
    if (this.#known.size >= cacheLimit) this.#known.clear();
    this.#known.set(topic, paths);
    return paths;
  }
}

/** Of places that lie within one another, the outermost; each once. */
export function outermost(places: readonly FieldPlace[]): FieldPlace[] {
  const kept: FieldPlace[] = [];
  for (const place of [...places].sort((one, other) => one.length - other.length)) if (!kept.some((outer) => outer.every((part, at) => part === place[at]))) kept.push(place);
  return kept;
}

function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null;
}
