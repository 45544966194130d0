import type { Machine, Plant, Tag } from "./compiled-plant.ts";
import type { TagValue } from "./plant.ts";
import type { PlantErrorCode } from "./plant-error.ts";
import type { HistoryQuery, HistorySlice } from "./tag-history.ts";

/*
 * What the gateway's thread and the thread of the OPC UA server say to each other. Numbers travel as ArrayBuffers: Deno copies a
 * typed array at 4 MB/s and a buffer at 900 (FACTS T3).
 */

/** The security policies that can be offered (OPC 10000-7). */
export const securityPolicies = ["None", "Basic256Sha256", "Aes128_Sha256_RsaOaep", "Aes256_Sha256_RsaPss"] as const;

/** What the server is told at its start. */
export interface OpcuaSettings {
  /** The host name and port that clients are told to connect to. */
  readonly hostname: string;
  readonly port: number;
  /** TCP port on 127.0.0.1 of the server's own thread. Default 0: any free one. */
  readonly innerPort?: number;
  /** Absolute path of the folder of keys and certificates. */
  readonly pki: string;
  readonly securityPolicies: readonly (typeof securityPolicies)[number][];
  readonly acceptUnknownClients: boolean;
  /** Absolute paths of certificates (PEM or DER) that are trusted. */
  readonly trustedClients: readonly string[];
  readonly anonymous: boolean;
  readonly users: readonly { readonly name: string; readonly password: string }[];
  readonly maxConnections: number;
  readonly maxSessions: number;
  readonly maxSubscriptions: number;
  readonly maxMonitoredItems: number;
  /** Bytes of one message, and chunks of one message. */
  readonly maxMessageSize: number;
  readonly maxChunkCount: number;
  /** Milliseconds between two samples of a set point. */
  readonly sampling: number;
  /** How many past values of each tag there are; 0 for no history. */
  readonly history: number;
}

/** A tag as the server needs to know it. */
export type ServedTag = Pick<Tag, "index" | "name" | "unit" | "kind" | "low" | "high" | "levels" | "writable" | "alarm">;

/** A machine as the server needs to know it. */
export interface ServedMachine extends Pick<Machine, "id" | "title" | "methods" | "composites"> {
  readonly tags: readonly ServedTag[];
}

/** Every value at one time. */
export interface Snapshot {
  /** Milliseconds since the Unix epoch. */
  readonly at: number;
  /** A Float64Array: a number for each tag. */
  readonly values: ArrayBuffer;
  /** A Uint16Array: a place in `codes` for each tag. */
  readonly status: ArrayBuffer;
  /** Names of StatusCodes. */
  readonly codes: readonly string[];
  /** A Float64Array: milliseconds by which the clock of each tag's source is ahead. Left out where all are right. */
  readonly shift?: ArrayBuffer;
}

/** What the thread is started with. */
export interface OpcuaWorkerData {
  readonly settings: OpcuaSettings;
  /** Whether the plant's namespace has index 2 instead of 1. */
  readonly shiftedNamespace: boolean;
  /** Whether the server shows a certificate that nobody has seen. */
  readonly otherCertificate: boolean;
  readonly machines: readonly ServedMachine[];
  readonly snapshot: Snapshot;
}

/** What the server asks of the plant. */
export type Question =
  | { readonly ask: "write"; readonly tag: number; readonly value: TagValue }
  /** The arguments in the order in which the method has them. */
  | { readonly ask: "call"; readonly machine: string; readonly method: string; readonly values: readonly unknown[] }
  | { readonly ask: "history"; readonly tag: number; readonly query: HistoryQuery };

/** What the plant answers: a refusal, or what was asked for. */
export interface Answer {
  readonly refusal?: PlantErrorCode;
  /** What stands for the value of the set point that was written; a stuck one has not moved. */
  readonly number?: number;
  /** What a method's counters stood at, in its order. */
  readonly before?: readonly TagValue[];
  readonly history?: HistorySlice & { readonly codes: readonly string[] };
}

/** From the gateway to the server. */
export type ToServer = ({ readonly kind: "values" } & Snapshot) | { readonly kind: "answer"; readonly id: number; readonly answer: Answer } | { readonly kind: "stop" };

/** From the server to the gateway. */
export type FromServer =
  /** It listens on this port of the loopback interface. */
  | { readonly kind: "listening"; readonly port: number }
  /** The last values are in: send the next ones. */
  | { readonly kind: "taken" }
  | { readonly kind: "question"; readonly id: number; readonly question: Question }
  | { readonly kind: "log"; readonly level: "debug" | "warn" | "error"; readonly message: string }
  | { readonly kind: "failed"; readonly message: string }
  | { readonly kind: "stopped" };

/** What of the plant the server needs to know, as plain data. */
export function servedMachines(plant: Plant): readonly ServedMachine[] {
  return plant.machines.map(({ id, title, tags, methods, composites }) => ({
    id,
    title,
    methods,
    composites,
    tags: tags.map(({ index, name, unit, kind, low, high, levels, writable, alarm }) => ({ index, name, unit, kind, low, high, levels, writable, alarm })),
  }));
}
