import { createCustomCodec, envelopeProto, iotData, readConfigFile, userInform, type CodecFactory, type SessionOptions } from "@busbar/core";
import type { TcpConfig } from "./config.ts";

/** What a listener's frames are, and when its devices are told about commands. */
export interface FrameCodec {
  readonly codec: CodecFactory;
  readonly commands: NonNullable<SessionOptions["commands"]>;
}

/**
 * Makes the codec that the config names; `path` makes its paths absolute.
 * @throws {BusbarError} CONFIG when the descriptor set of a custom codec cannot be read or does not have what the mapping names.
 */
export async function createFrameCodec({ codec, custom }: TcpConfig, path: (relative: string) => string): Promise<FrameCodec> {
  switch (codec) {
    case "envelope":
      return { codec: envelopeProto, commands: "push" };
    case "iot-data":
      return { codec: iotData, commands: "none" };
    case "user-inform":
      return { codec: userInform, commands: "on-input" };
    case "custom": {
      const { descriptorSet, ...mapping } = custom!; // the schema saw to it
      return { codec: createCustomCodec({ ...mapping, descriptorSet: await readConfigFile(path(descriptorSet), "descriptor set") }), commands: mapping.command === undefined ? "none" : "push" };
    }
  }
}
