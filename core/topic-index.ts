import { isHiddenTopic } from "./topic.ts";

interface Node<T> {
  readonly children: Map<string, Node<T>>;
  /** Subscribers whose pattern ends at this node. */
  readonly here: Set<T>;
  /** Subscribers whose pattern ends here with `#`. */
  readonly below: Set<T>;
}

const nobody: readonly never[] = [];

const createNode = <T>(): Node<T> => ({ children: new Map(), here: new Set(), below: new Set() });

/**
 * Finds who subscribed to a topic: a trie over the levels of topic filters (MQTT 5.0 §4.7) with a cache of whole topics before it,
 * so that a message on a topic seen before costs one map lookup however many patterns there are.
 */
export class TopicIndex<T> {
  #root = createNode<T>();
  #cache = new Map<string, readonly T[]>();
  #size = 0;
  readonly #cacheLimit: number;

  /** `cacheLimit`: topics remembered at the most; beyond it the cache starts anew. */
  constructor(options: { readonly cacheLimit?: number } = {}) {
    this.#cacheLimit = options.cacheLimit ?? 20_000;
  }

  /** How many values are in the index. */
  get size(): number {
    return this.#size;
  }

  /** How many nodes the trie has: 1 when it is empty. Counted when asked, so not for a hot path. */
  get nodes(): number {
    return countNodes(this.#root);
  }

  /** Puts `value` under `pattern`, which must be a valid filter. Returns the function that takes it out again; calling that twice does nothing. */
  add(pattern: string, value: T): () => void {
    const levels = pattern.split("/");
    const wild = levels.at(-1) === "#";
    if (wild) levels.pop();
    const path = [this.#root];
    let node = this.#root;
    for (const level of levels) {
      let next = node.children.get(level);
      if (!next) node.children.set(level, (next = createNode()));
      path.push((node = next));
    }
    const set = wild ? node.below : node.here;
    if (set.has(value)) throw new TypeError(`Cannot add to pattern "${pattern}": the value is already there`);
    set.add(value);
    this.#size++;
    if (this.#cache.size > 0) this.#cache = new Map();
    let open = true;
    return () => {
      if (!open) return;
      open = false;
      set.delete(value);
      this.#size--;
      for (let at = path.length - 1; at > 0; at--) {
        const one = path[at]!;
        if (one.here.size + one.below.size + one.children.size > 0) break;
        path[at - 1]!.children.delete(levels[at - 1]!);
      }
      if (this.#cache.size > 0) this.#cache = new Map();
    };
  }

  /** The values whose pattern matches `topic`. The array belongs to the index; a later add or removal leaves it as it is and makes a new one. */
  match(topic: string): readonly T[] {
    const known = this.#cache.get(topic);
    if (known) return known;
    if (isHiddenTopic(topic)) return nobody as never[]; // each such topic is used once: it would only push others out of the cache
    let found: T[] = [];
    collect(this.#root, topic.split("/"), 0, found);
    if (found.length === 0) found = nobody as never[]; // most topics of a large site: they share one array
    if (this.#cache.size >= this.#cacheLimit) this.#cache = new Map();
    this.#cache.set(topic, found);
    return found;
  }
}

function collect<T>(node: Node<T>, levels: readonly string[], at: number, found: T[]): void {
  for (const value of node.below) found.push(value);
  if (at === levels.length) {
    for (const value of node.here) found.push(value);
    return;
  }
  const exact = node.children.get(levels[at]!);
  if (exact) collect(exact, levels, at + 1, found);
  const any = node.children.get("+");
  if (any) collect(any, levels, at + 1, found);
}

function countNodes<T>(node: Node<T>): number {
  let count = 1;
  for (const child of node.children.values()) count += countNodes(child);
  return count;
}
