import { readFile } from "node:fs/promises";
import { BusbarError, createCustomCodec, envelopeProto, iotData, userInform, type CodecFactory, type SessionOptions } from "@busbar/core";
import type { TcpConfig } from "./config.ts";

/** What a listener's frames are, and when its devices are told about commands. */
export interface FrameCodec {
  readonly factory: CodecFactory;
  readonly commands: NonNullable<SessionOptions["commands"]>;
}

/**
 * Makes the codec that the config names; `path` makes its paths absolute.
 * @throws {BusbarError} CONFIG when the descriptor set of a custom codec cannot be read or does not have what the mapping names.
 */
export async function createFrameCodec({ codec, custom }: TcpConfig, path: (relative: string) => string): Promise<FrameCodec> {
  switch (codec) {
    case "envelope":
      return { factory: envelopeProto, commands: "push" };
    case "iot-data":
      return { factory: iotData, commands: "none" };
    case "user-inform":
      return { factory: userInform, commands: "on-input" };
    case "custom": {
      const { descriptorSet, ...mapping } = custom!; // the schema saw to it
      return { factory: createCustomCodec({ ...mapping, descriptorSet: await readConfigFile(path(descriptorSet), "descriptor set") }), commands: mapping.command === undefined ? "none" : "push" };
    }
  }
}

/** Reads a file that the config names. @throws {BusbarError} CONFIG when it cannot be read. */
export async function readConfigFile(path: string, what: string): Promise<Buffer> {
  try {
    return await readFile(path);
  } catch (error) {
    throw new BusbarError("CONFIG", `Cannot read the ${what} "${path}": ${(error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : "it is not readable"}`, { cause: error });
  }
}
