/** What can be revoked: one credential by its name (a token's `jti`, a certificate's fingerprint), a device with all that lies below its id, or a role. */
export type RevocationKind = "token" | "device" | "role";

/** Something that no longer counts. */
export interface Revocation {
  readonly kind: RevocationKind;
  readonly name: string;
  /** Milliseconds since the Unix epoch. */
  readonly time: number;
  /** Who said so: an id. */
  readonly by: string;
}

/** A wish to revoke, or with `undo` to let it count again. */
export interface RevocationChange {
  readonly kind: RevocationKind;
  readonly name: string;
  /** The id of whoever wants it. */
  readonly by: string;
  /** Default false. */
  readonly undo?: boolean | undefined;
}
