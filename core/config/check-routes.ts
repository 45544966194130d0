import type { StepDefinition } from "../step.ts";
import { isPattern } from "../topic.ts";
import { mayFeed, parseTemplate } from "../topic-template.ts";
import type { FoundInstance } from "./check-instances.ts";
import { checkSection } from "./check-section.ts";
import type { CheckedRoute, CheckedStep, Destination } from "./checked.ts";
import { nearest, suggest } from "./nearest.ts";
import type { Reporter } from "./reporter.ts";
import { showNode, toValue, type MapNode, type Path, type SourceNode } from "./source-tree.ts";

/** What routes may refer to. */
export interface RouteSurroundings {
  readonly root: SourceNode;
  readonly instances: readonly FoundInstance[];
  /** Core's own steps. */
  readonly steps: Readonly<Record<string, StepDefinition>>;
}

interface KnownStep {
  readonly definition: StepDefinition;
  /** The first plugin instance that brings it; undefined for core's own. */
  readonly owner?: string;
}

type KnownSteps = ReadonlyMap<string, KnownStep>;

const routeKeys = ["name", "from", "steps", "to"];

/** Checks the `routes` section. Routes with problems are left out of what it returns. */
export function checkRoutes(around: RouteSurroundings, report: Reporter): readonly CheckedRoute[] {
  const { root } = around;
  const steps = collectSteps(around, report);
  const node = root.kind === "map" ? root.entries.get("routes")?.node : undefined;
  if (!node || (node.kind === "scalar" && (node.value === null || node.broken))) return [];
  if (node.kind !== "list") {
    report.value(root, ["routes"], `must be a list of routes, not ${showNode(node)}`);
    return [];
  }
  const names = new Map<string, string>();
  const routes: CheckedRoute[] = [];
  for (const [index, item] of node.items.entries()) {
    const route = checkRoute(around, steps, ["routes", index], index, item, names, report);
    if (route) routes.push(route);
  }
  checkFeeding(root, routes, node.items.map(nameOf), report);
  return routes;
}

/** The steps there are: core's, and those of each plugin in the config. */
function collectSteps({ root, instances, steps }: RouteSurroundings, report: Reporter): KnownSteps {
  const all = new Map<string, KnownStep>(Object.entries(steps).map(([name, definition]) => [name, { definition }]));
  for (const { id, plugin } of instances) {
    for (const [name, definition] of Object.entries((plugin?.steps ?? {}) as Readonly<Record<string, StepDefinition>>)) {
      const other = all.get(name);
      if (!other) all.set(name, { definition, owner: id });
      else if (other.definition !== definition) report.key(root, ["plugins", id], `brings the step "${name}", which is there already`);
    }
  }
  return all;
}

function nameOf(item: SourceNode, index: number): string {
  const node = item.kind === "map" ? item.entries.get("name")?.node : undefined;
  return node?.kind === "scalar" && typeof node.value === "string" ? node.value : `route-${index}`;
}

function checkRoute(around: RouteSurroundings, known: KnownSteps, path: Path, index: number, item: SourceNode, names: Map<string, string>, report: Reporter): CheckedRoute | undefined {
  const { root } = around;
  if (item.kind !== "map") {
    if (item.kind !== "scalar" || !item.broken) report.value(root, path, `must be a map, not ${showNode(item)}`, `allowed: ${routeKeys.join(", ")}`);
    return undefined;
  }
  for (const key of item.entries.keys()) if (!routeKeys.includes(key)) report.key(root, [...path, key], "unknown key", suggest(key, routeKeys));
  const name = readText(root, path, item, "name", report, (text) => (/^[\w.:@-]{1,64}$/.test(text) ? undefined : "must be 1-64 characters of A-Z a-z 0-9 . _ : @ -")) ?? nameOf(item, index);
  const twin = names.get(name);
  if (twin !== undefined) report.value(root, [...path, "name"], `two routes are called ${JSON.stringify(name)}`, `the first is ${twin}`);
  names.set(name, twin ?? `routes[${index}]`);
  const from = readText(root, path, item, "from", report, (text) => (isPattern(text) ? undefined : "must be a topic pattern such as status/+/temperature or event/#"));
  if (!item.entries.has("from")) report.key(root, [...path, "from"], "missing", "it must be a topic pattern such as status/#");
  const steps = checkSteps(around, known, [...path, "steps"], item.entries.get("steps")?.node, report);
  const to = checkDestination(around, path, item, report);
  return from === undefined || !steps || !to ? undefined : { name, from, steps, to, source: toValue(item) };
}

function readText(root: SourceNode, path: Path, map: MapNode, key: string, report: Reporter, fault: (text: string) => string | undefined): string | undefined {
  const node = map.entries.get(key)?.node;
  if (!node || (node.kind === "scalar" && node.broken)) return undefined;
  const text = node.kind === "scalar" && typeof node.value === "string" ? node.value : undefined;
  const message = text === undefined ? "must be text" : fault(text);
  if (message === undefined) return text;
  report.value(root, [...path, key], `${message}, not ${showNode(node)}`);
  return undefined;
}

function checkSteps(around: RouteSurroundings, known: KnownSteps, path: Path, node: SourceNode | undefined, report: Reporter): readonly CheckedStep[] | undefined {
  const { root, instances } = around;
  if (!node) return [];
  if (node.kind !== "list") {
    if (node.kind !== "scalar" || !node.broken) report.value(root, path, `must be a list of steps, not ${showNode(node)}`);
    return undefined;
  }
  const allKnown = instances.every((instance) => instance.plugin);
  const checked = node.items.map((item, index): CheckedStep | undefined => {
    const at = [...path, index];
    const [name, ...more] = item.kind === "map" ? item.entries.keys() : [];
    if (item.kind !== "map" || name === undefined || more.length > 0) {
      report.value(root, at, `must be a map of one key, the name of a step, not ${more.length > 0 ? `of ${more.length + 1} keys` : showNode(item)}`, suggest(undefined, [...known.keys()], "steps"));
      return undefined;
    }
    const step = known.get(name);
    if (!step) {
      // an instance whose plugin is not known may bring the step
      if (allKnown || nearest(name, known.keys()) !== undefined) report.key(root, [...at, name], "unknown step", suggest(name, [...known.keys()]));
      return undefined;
    }
    const given = item.entries.get(name)!.node;
    const node: SourceNode = given.kind === "scalar" && given.value === null && !given.broken ? { kind: "map", place: given.place, entries: new Map() } : given;
    const result = checkSection({ root, path: [...at, name], node, schema: step.definition.config }, report);
    return result && { name, ...step, config: result.output };
  });
  return checked.every((step) => step !== undefined) ? checked : undefined;
}

function checkDestination({ root, instances }: RouteSurroundings, path: Path, item: MapNode, report: Reporter): Destination | undefined {
  const at = [...path, "to"];
  const node = item.entries.get("to")?.node;
  if (!node) {
    report.key(root, at, "missing, so the route leads nowhere", "name a topic such as event/alarm/{id}, or the id of a plugin that accepts messages");
    return undefined;
  }
  if (node.kind === "scalar" && node.broken) return undefined;
  if (node.kind !== "scalar" || typeof node.value !== "string") {
    report.value(root, at, `must be a topic or the id of a plugin, not ${showNode(node)}`);
    return undefined;
  }
  const to = node.value;
  if (!to.includes("/")) {
    const instance = instances.find(({ id }) => id === to);
    const accepting = instances.filter(({ plugin }) => plugin?.accepts).map(({ id }) => id);
    if (!instance) report.value(root, at, `${showNode(node)} is no plugin instance, so the route leads nowhere`, `${suggest(node.shown === undefined ? to : undefined, accepting, "instances that accept messages")}; a topic has at least two levels, such as event/${/^[\w.:@-]+$/.test(to) && node.shown === undefined ? to : "alarm"}`);
    else if (instance.plugin && !instance.plugin.accepts) report.value(root, at, `the plugin instance ${showNode(node)} accepts no messages, so the route leads nowhere`, suggest(undefined, accepting, "instances that accept messages"));
    else return { kind: "plugin", id: to };
    return undefined;
  }
  try {
    parseTemplate(to);
    return { kind: "topic", template: to };
  } catch (error) {
    report.value(root, at, `the topic ${showNode(node)} ${node.shown === undefined && error instanceof Error ? error.message : "is not type/id"}`);
    return undefined;
  }
}

/** Reports routes whose messages come back to them: they would never end. */
function checkFeeding(root: SourceNode, routes: readonly CheckedRoute[], names: readonly string[], report: Reporter): void {
  const feeds = (route: CheckedRoute): readonly CheckedRoute[] => {
    const { to } = route;
    return to.kind === "topic" ? routes.filter((other) => mayFeed(route.from, to.template, other.from)) : [];
  };
  const done = new Set<CheckedRoute>();
  const visit = (route: CheckedRoute, way: readonly CheckedRoute[]): void => {
    const start = way.indexOf(route);
    if (start >= 0) {
      const circle = way.slice(start);
      const first = circle[0]!;
      const message = circle.length === 1 ? `the route ${JSON.stringify(first.name)} feeds itself: what it sends matches its own "from"` : `routes feed each other in a circle: ${[...circle, first].map(({ name }) => name).join(" -> ")}`;
      report.value(root, ["routes", names.indexOf(first.name), "to"], message, 'narrow "from", or send to a topic that it does not match');
      return;
    }
    if (done.has(route)) return;
    for (const next of feeds(route)) visit(next, [...way, route]);
    done.add(route);
  };
  for (const route of routes) visit(route, []);
}
