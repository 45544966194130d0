import type { Action } from "./authority.ts";

/** One rule of a role, as the config has it. */
export interface Rule {
  readonly role: string;
  readonly effect: "grant" | "deny";
  readonly action: Action;
  /** Its place in the role's list, from 0. */
  readonly index: number;
  /** As written there, `{id}` and `{group}` included. */
  readonly pattern: string;
}

/** Whether somebody may do something, and why: for people, never asked per message. */
export interface Decision {
  readonly allowed: boolean;
  /** The rule that decided. Absent where none did: nothing grants it, or the gateway itself has a rule that no role changes. */
  readonly rule?: Rule | undefined;
  /** A sentence without a full stop. */
  readonly why: string;
  /** Rules that nearly decided otherwise, and why each did not. */
  readonly near: readonly { readonly rule: Rule; readonly why: string }[];
}
