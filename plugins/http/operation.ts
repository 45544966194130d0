import type { Socket } from "node:net";
import type { Audit, AuditLog, Authority, Bus, Clock, Commands, Cursors, DeadLetters, Gateway, Log, Metrics, Principal, Sessions, SignedSender, Store } from "@busbar/core";
import type { Context } from "hono";
import type * as v from "valibot";
import type { HttpConfig } from "./config.ts";
import type { Presence } from "./presence.ts";
import type { ProblemStatus } from "./problem.ts";
import type { Content } from "./security-headers.ts";

/** What the API works with. */
export interface ApiParts {
  /** The id of the plugin instance that serves it. */
  readonly id: string;
  readonly authority: Authority;
  readonly audit: Audit;
  readonly auditLog: AuditLog | undefined;
  readonly bus: Bus;
  readonly store: Store | undefined;
  readonly gateway: Gateway;
  readonly commands: Commands;
  readonly cursors: Cursors;
  readonly deadLetters: DeadLetters;
  readonly sessions: Sessions;
  readonly signed: SignedSender;
  readonly presence: Presence;
  readonly clock: Clock;
  readonly log: Log;
  readonly metrics: Metrics;
  readonly config: HttpConfig;
}

/** What @hono/node-server hands over with each request, as far as it is used; absent when a test calls `app.fetch` itself. */
export interface AppEnv {
  Bindings: { readonly incoming?: { readonly socket: Socket; readonly rawHeaders?: readonly string[]; readonly url?: string } };
  Variables: { principal: Principal; content?: Content };
}

/** Any valibot schema of an object. */
export type ObjectSchema = v.StrictObjectSchema<v.ObjectEntries, undefined>;
/** Any valibot schema. */
export type AnySchema = v.GenericSchema<unknown, unknown>;

/** One possible answer, for the OpenAPI document. */
export interface Answer {
  readonly description: string;
  /** Absent: no body, or one that is not JSON. */
  readonly schema?: AnySchema;
  /** One or several. Default `application/json`. */
  readonly contentType?: string | readonly string[];
}

/** A request that has been authenticated and validated. */
export interface Checked<P, Q, B> {
  readonly context: Context<AppEnv>;
  /** Who asks. Of an operation that is `open`, nobody in particular. */
  readonly principal: Principal;
  readonly params: P;
  readonly query: Q;
  readonly body: B;
}

/** One endpoint: what it takes, as schemas that both check requests and document them, and what it does. */
export interface Operation<P extends ObjectSchema = ObjectSchema, Q extends ObjectSchema = ObjectSchema, B extends AnySchema = AnySchema> {
  readonly method: "get" | "post";
  /** As Hono and OpenAPI both know it after `:id` is written `{id}`. */
  readonly path: string;
  /** Unique, camel case: what generated clients call it. */
  readonly id: string;
  readonly summary: string;
  readonly description?: string;
  /** Needs no token. Default false. */
  readonly open?: boolean;
  readonly params?: P;
  readonly query?: Q;
  readonly body?: B;
  /** For the document, where `body` itself is no plain schema. */
  readonly bodyDocument?: AnySchema;
  readonly answers: Readonly<Record<number, Answer>>;
  /** What may go wrong besides 400, 401, 500 and what a body brings with it. */
  readonly problems?: readonly ProblemStatus[];
  handle(request: Checked<v.InferOutput<P>, v.InferOutput<Q>, v.InferOutput<B>>): Response | Promise<Response>;
}

/** Any operation, whatever it takes. */
export type AnyOperation = Omit<Operation, "handle"> & { handle(request: Checked<unknown, unknown, unknown>): Response | Promise<Response> };

/** Defines an operation. The call only helps the type checker. */
export function defineOperation<const P extends ObjectSchema, const Q extends ObjectSchema, const B extends AnySchema>(operation: Operation<P, Q, B>): AnyOperation {
  return operation;
}
