/**
 * What an entry of the audit log is about. A plugin may have words of its own, `[a-z][a-z0-9-]{0,31}`. Entries whose word is `login`, `limit` or `refused`, or ends with `-refused` or `-failed`, are summed up
 * when they come again and again from the same peer.
 */
export type AuditAction =
  /** The gateway. */
  | "started" | "stopped"
  /** Instances and keys of the config, never values. */
  | "config-changed" | "config-refused"
  /** Somebody was let in, or not; a session ended because its credentials do not stand any more. */
  | "login" | "login-failed" | "session-ended"
  /** Somebody may not do that; a limit was reached. */
  | "refused" | "limit"
  /** A command was given; a device answered it, or nobody did in time. */
  | "command" | "command-result"
  /** A signing key, a JWKS, a certificate: made, replaced, withdrawn. */
  | "key-created" | "key-changed" | "certificate-changed"
  /** A token, an id or a role counts no longer. */
  | "revoked" | "restored"
  /** A one-time token was made, and traded for a secret or a certificate. */
  | "enrolment-issued" | "enrolled" | "enrolment-refused" | "token-issued"
  | "console-opened" | "console-refused"
  | "dead-letter-replay" | "dead-letter-drop" | "reader-drop"
  /** What the log says about itself: see docs/009-audit-log.md. */
  | "audit-file" | "audit-key" | "audit-removed" | "audit-damaged" | "lost"
  | (string & {});

/**
 * What is known about it: who (`id`), `remote`, `transport`, `topic`, `msgid`, `reason` and the like. Text, numbers, booleans, lists and flat objects of them; text is cut at 512 characters. Never a secret, a token or a
 * payload: what looks like one is left out, but do not rely on that.
 */
export type AuditFields = Readonly<Record<string, unknown>>;

/** Where those who know something for the audit log say it. */
export interface Audit {
  /** Puts an entry into the log. Nobody waits for it and it never fails: what cannot be kept is counted, and the log says how much that was. */
  write(action: AuditAction, fields: AuditFields): void;
}

/** An entry on its way to the log. */
export interface AuditEntry {
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  readonly action: AuditAction;
  /** Who says so: the id of a plugin instance, or `gateway`. */
  readonly source: string;
  /** Checked: only what JSON can say, bounded, without secrets. */
  readonly fields: AuditFields;
}

/** The entries that wait to be written: the kernel holds them, at most 10,000 and 8 MiB, the plugin that keeps the log takes them. */
export interface AuditFeed {
  /** The oldest ones, at most `limit`. They are the taker's from then on. */
  take(limit: number): readonly AuditEntry[];
  /** How many wait. */
  readonly waiting: number;
  /** Calls `listener` once, as soon as so many wait. Returns the function that ends it. There is one listener at a time: the newest. */
  whenWaiting(count: number, listener: () => void): () => void;
}

/** A line of the audit log. */
export interface AuditRecord extends AuditEntry {
  /** 1, 2, 3 … without a gap. */
  readonly seq: number;
  /** The hash of the entry before. */
  readonly prev: string;
  /** SHA-256, or HMAC-SHA-256 with a key, over the entry and `prev`: base64url. */
  readonly hash: string;
}

/** Which entries are asked for. */
export interface AuditQuery {
  /** Only those after this number. Default 0. */
  readonly after?: number | undefined;
  /** Only those of this time on, and before that one: milliseconds since the Unix epoch. */
  readonly since?: number | undefined;
  readonly until?: number | undefined;
  /** 1–10,000. */
  readonly limit: number;
}

/** The audit log, to be read: the plugin that keeps it provides this. */
export interface AuditLog {
  /** Oldest first. `next`: hand it in as `after` for the next page; absent when there is none. */
  read(query: AuditQuery): Promise<{ readonly records: readonly AuditRecord[]; readonly next?: number }>;
}
