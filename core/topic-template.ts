import { isId, isType, matches } from "./topic.ts";

/** A topic with places for parts of the message it is made from. */
export interface TopicTemplate {
  readonly text: string;
  /** The type and id of the topic for a message of this type and id (the part of its topic after the type). */
  fill(type: string, id: string): { readonly type: string; readonly id: string };
}

const placeholder = /\{(id|type)\}/g;

/**
 * Reads a topic template such as `event/alarm/{id}`: a type (or `{type}`), `/`, and an id in which `{id}` and `{type}` may stand anywhere.
 * @throws {SyntaxError} saying what is wrong.
 */
export function parseTemplate(text: string): TopicTemplate {
  const cut = text.indexOf("/");
  if (cut < 0) throw new SyntaxError("has no level after the type; a topic is type/id, such as event/alarm/{id}");
  const unknown = text.replace(placeholder, "").match(/\{[^}]*\}?|\}/);
  if (unknown) throw new SyntaxError(`has the unknown placeholder ${JSON.stringify(unknown[0])}; {id} and {type} are known`);
  const typePart = text.slice(0, cut);
  const idPart = text.slice(cut + 1);
  if (typePart !== "{type}" && !isType(typePart)) throw new SyntaxError(`has ${JSON.stringify(typePart)} for a type; it must be {type} or a token [a-z][a-z0-9-]{0,31}`);
  if (!isId(idPart.replace(placeholder, "x"))) throw new SyntaxError(`has ${JSON.stringify(idPart)} after the type; it must be levels of [A-Za-z0-9._:@-]+ joined by /, with {id} or {type} in them`);
  const fixed = !/\{/.test(idPart);
  return {
    text,
    fill: (type, id) => ({
      type: typePart === "{type}" ? type : typePart,
      id: fixed ? idPart : idPart === "{id}" ? id : idPart.replace(placeholder, (_all, name) => (name === "id" ? id : type)),
    }),
  };
}

/** Whether some message that matches the filter `from` makes a topic, through the template `to`, that matches the filter `onto`. `to` must be a right template. */
export function mayFeed(from: string, to: string, onto: string): boolean {
  const levels = from.split("/");
  const types = /^[+#]$/.test(levels[0] ?? "") ? undefined : levels[0]!;
  const ids = levels[0] === "#" ? ["#"] : levels.slice(1);
  const made: string[] = [];
  for (const [at, level] of to.split("/").entries()) {
    if (level === "{type}") made.push(types ?? "+");
    else if (level === "{id}" && at > 0) made.push(...ids);
    else if (level.includes("{id}")) made.push("#"); // a prefix or suffix of an id of any number of levels
    else made.push(level.includes("{type}") ? "+" : level);
  }
  return overlap(made, onto.split("/"));
}

/** Whether some topic matches both lists of levels; in `made` a `#` may stand anywhere, for any number of levels. */
function overlap(made: readonly string[], onto: readonly string[], i = 0, j = 0): boolean {
  if (onto[j] === "#") return true;
  if (i === made.length) return j === onto.length;
  if (made[i] === "#") return overlap(made, onto, i + 1, j) || (j < onto.length && overlap(made, onto, i, j + 1));
  if (j === onto.length) return false;
  const one = made[i]!;
  return (one === "+" || onto[j] === "+" || matches(onto[j]!, one)) && overlap(made, onto, i + 1, j + 1);
}
