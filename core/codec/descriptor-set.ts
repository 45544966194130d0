import { createFileRegistry, fromBinary, type DescField, type DescMessage, type FileRegistry } from "@bufbuild/protobuf";
import { FileDescriptorSetSchema } from "@bufbuild/protobuf/wkt";
import { BusbarError } from "../errors.ts";

/**
 * Reads a compiled descriptor set (`protoc --include_imports --descriptor_set_out`, `buf build`).
 * @throws {BusbarError} CONFIG when the bytes are none, or lack a file that another one imports.
 */
export function readDescriptorSet(bytes: Uint8Array): FileRegistry {
  try {
    return createFileRegistry(fromBinary(FileDescriptorSetSchema, bytes));
  } catch (error) {
    throw new BusbarError("CONFIG", "Cannot read the descriptor set: it is no FileDescriptorSet with all its imports (protoc needs --include_imports)", { cause: error });
  }
}

/** Finds a message type by its full name. @throws {BusbarError} CONFIG naming the types there are. */
export function findMessage(registry: FileRegistry, name: string): DescMessage {
  const found = registry.getMessage(name);
  if (found) return found;
  const known = [...registry].filter((one) => one.kind === "message" && !one.typeName.startsWith("google.protobuf.")).map((one) => one.typeName);
  throw new BusbarError("CONFIG", `Cannot use message "${name}": the descriptor set has ${known.slice(0, 20).join(", ") || "no messages"}`);
}

/** Where a value stands in a decoded message. */
export interface FieldPath {
  /** The field at its end. */
  readonly field: DescField;
  /** Its value; undefined when a message on the way is absent. */
  read(value: Readonly<Record<string, unknown>>): unknown;
}

/** Finds a field by its path of names, such as `header.device`. @throws {BusbarError} CONFIG naming the fields there are. */
export function findField(desc: DescMessage, path: string): FieldPath {
  const names = path.split(".");
  let at: DescMessage | undefined = desc;
  let field: DescField | undefined;
  for (const name of names) {
    const found: DescField | undefined = at?.fields.find((one) => one.name === name);
    if (found === undefined || at === undefined) throw new BusbarError("CONFIG", `Cannot use field "${path}": ${at === undefined ? `${field!.toString()} has no fields of its own` : `${at.typeName} has ${at.fields.map((one) => one.name).join(", ") || "no fields"}`}`);
    field = found;
    at = found.fieldKind === "message" ? found.message : undefined;
  }
  return {
    field: field!,
    read(value) {
      let here: unknown = value;
      for (const name of names) {
        if (here === undefined || here === null) return undefined;
        here = (here as Record<string, unknown>)[name];
      }
      return here;
    },
  };
}
