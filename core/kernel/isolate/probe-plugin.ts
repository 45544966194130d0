import { dirname } from "node:path";
import * as v from "valibot";
import { codeFolders } from "../../config/permissions/code-folders.ts";
import { BusbarError } from "../../errors.ts";
import { decodeBatch } from "./batch.ts";
import { unpackError } from "./border-error.ts";
import type { Container } from "./container.ts";
import type { DescribeRequest, PluginDescription } from "./describe-plugin.ts";
import { Link } from "./link.ts";
import { startContainer } from "./start-container.ts";

/** Milliseconds that loading a plugin may take. */
const timeout = 30_000;
const memory = 512 * 1024 ** 2;

const text = v.pipe(v.string(), v.maxLength(4096));
const portName = v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,63}$/));
/** A description is the word of a stranger. */
const described = v.strictObject({
  name: v.pipe(v.string(), v.regex(/^[a-z][a-z0-9-]{0,63}$/)),
  description: text,
  accepts: v.boolean(),
  needs: v.pipe(v.array(v.strictObject({ key: text, port: portName, optional: v.boolean() })), v.maxLength(100)),
  provides: v.array(portName),
  listens: v.pipe(v.array(v.strictObject({ what: text, at: v.array(text), host: text, encrypted: v.boolean(), insecure: v.boolean() })), v.maxLength(100)),
  steps: v.array(text),
  problems: v.pipe(v.array(v.strictObject({ file: text, line: v.number(), column: v.number(), key: text, message: text, hint: v.optional(text) })), v.maxLength(1000)),
  checked: v.optional(v.strictObject({ source: v.unknown(), output: v.unknown() })),
});

/**
 * Asks a plugin what it is and what it makes of its section, in an isolate that may do nothing at all: its code does not run in the gateway, not even to check a config.
 * @throws {BusbarError} CONFIG when it does not load, or does not answer.
 */
export async function probePlugin(request: DescribeRequest): Promise<PluginDescription> {
  const { folder, file } = request.package;
  const code = await codeFolders([folder ?? dirname(file)]);
  const { promise, resolve, reject } = Promise.withResolvers<PluginDescription>();
  const fail = (reason: string): void => reject(new BusbarError("CONFIG", `Cannot load the plugin from ${file} in an isolate: ${reason}`));
  let container: Container | undefined;
  const timer = setTimeout(() => fail(`it has not answered within ${timeout} ms`), timeout);
  try {
    container = startContainer({
      permissions: { net: [], read: [], write: [], env: [], sys: [] },
      code,
      threads: false,
      memory,
      onBatch(batch) {
        for (const { head } of decodeBatch(batch)) {
          if (head[0] === "described") resolve(v.parse(described, head[1]) as PluginDescription);
          if (head[0] === "failed" || head[0] === "crashed") reject(unpackError(head[1]));
        }
      },
      onEnd: fail,
    });
    new Link(container).send(["describe", request]);
    return await promise;
  } catch (error) {
    throw error instanceof BusbarError ? error : new BusbarError("CONFIG", `Cannot load the plugin from ${file} in an isolate`, { cause: error });
  } finally {
    clearTimeout(timer);
    await container?.kill();
  }
}
