import type { Decision } from "./decision.ts";
import type { DeviceCredential, Enrolment, EnrolmentClaim, EnrolmentRequest } from "./enrolment.ts";
import type { Revocation, RevocationChange } from "./revocation.ts";

/** Where somebody comes from. */
export interface Origin {
  /** Which kind of connection it is, as `Transport.kind` says it: "websocket", "tcp", "http", "mqtt", … */
  readonly transport: string;
  /** The peer's address as its socket gives it, with or without a port: never what a header says. */
  readonly remote: string;
}

/** Somebody who has been authenticated. */
export interface Principal {
  /** Its id (WIRE §1). It speaks for itself and for every id below it. */
  readonly id: string;
  /** Names of roles, as the Authority knows them. */
  readonly roles: readonly string[];
  /** Names of the device groups it is in. */
  readonly groups: readonly string[];
  /** Those of them that its credentials give, or the listener that vouches for it; the others come from the authority's config and change with it. Absent = none. */
  readonly ownGroups?: readonly string[] | undefined;
  /** Milliseconds since the Unix epoch when this identity ends; absent = with the connection. */
  readonly expires?: number | undefined;
  /**
   * A person or an app, not a device: it may have several sessions at once, none replaces another; it is sent no commands and has no presence.
   * Default false.
   */
  readonly user?: boolean | undefined;
  /** The token's `jti`, or another name for the one credential that was shown; lets it be revoked alone. */
  readonly credential?: string | undefined;
  /**
   * Where it comes from, where the authority has rights that depend on it; such a principal belongs to one connection, while others may be shared by many. Without it
   * nothing is known: what is granted to some places only is then not granted, and what is denied in some places is denied.
   */
  readonly via?: Origin | undefined;
  /** Whose credentials these are, where it goes by an id below that one: what is denied to that id is denied to it, too. */
  readonly holder?: Pick<Principal, "id" | "groups"> | undefined;
  /** What vouches for this identity, as the Authority names it: a key, a stored secret. When that is taken away, the identity no longer stands. */
  readonly voucher?: string | undefined;
}

/** What a peer shows to say who it is. */
export type Credentials =
  /** A JWT, or a device's own secret; `id` is who the peer says it is, which must then agree. */
  | { readonly kind: "token"; readonly token: string; readonly id?: string | undefined }
  /** A client certificate that TLS has verified. `names` are its subject CN and SAN DNS names; it `expires` at that time, ms since the Unix epoch. */
  | { readonly kind: "certificate"; readonly names: readonly string[]; readonly fingerprint: string; readonly expires?: number | undefined };

/** What is done to a topic. */
export type Action = "publish" | "subscribe";

/** What a token that is to be made says. */
export interface TokenRequest {
  /** The id it stands for. */
  readonly id: string;
  readonly roles: readonly string[];
  /** Seconds it is good for, 1 or more. */
  readonly ttl: number;
  /** Whether it is for a person or an app (`Principal.user`). Default false. */
  readonly user?: boolean;
}

/** Who a peer is and what it may do: one plugin provides it. Deny is the default: without one nobody gets in. */
export interface Authority {
  /**
   * Finds out who shows these credentials. Called once per connection, never per message.
   * @throws {BusbarError} UNAUTHENTICATED; the message says why, for the log, never for the peer.
   */
  authenticate(credentials: Credentials, options: Origin & { readonly signal?: AbortSignal }): Promise<Principal>;
  /**
   * The same principal as this authority sees it now: with the roles and groups that it has by the config of today, and `via` where that matters. Asked for principals that a listener vouches
   * for, and for those of live sessions when another authority has taken over. Absent: they stay as they are. Returns the same object when nothing has changed.
   */
  refresh?(principal: Principal, origin: Origin): Principal;
  /** Whether the principal may. `topic` may be a filter, which must lie wholly within what is granted. Synchronous; callers cache the answer until `onChange`. */
  can(principal: Principal, action: Action, topic: string): boolean;
  /** Why `can` says what it says, and which rule decides. */
  explain?(principal: Principal, action: Action, topic: string): Decision;
  /** Whether this identity still stands: neither expired nor revoked. */
  stands(principal: Principal): boolean;
  /** The keys with which the holder of `id` signs messages (WIRE §6), at least 32 bytes each; two while one takes the place of another, none where it may not sign. Default: nobody signs. */
  messageKeys?(id: string): readonly Uint8Array[];
  /** Makes a token. @throws {BusbarError} FORBIDDEN when this authority cannot sign. */
  issue(request: TokenRequest): Promise<string>;
  /** Calls `listener` whenever an earlier answer of `can` or `stands` may have changed. Returns the function that ends it. */
  onChange(listener: () => void): () => void;
  /**
   * Revokes a credential, a device or a role, or undoes that; lasting, and in force for live sessions when it resolves. Resolves with false when it was so already.
   * Absent: this authority has no revocations of its own. @throws {RangeError} for a name that is none. {BusbarError} UNAVAILABLE or IO when it cannot be kept.
   */
  revoke?(change: RevocationChange): Promise<boolean>;
  /** What `revoke` has revoked, oldest first. */
  revocations?(): readonly Revocation[];
  /**
   * Makes a one-time token with which a device gets a credential of its own; it takes the place of an earlier one for that id. Absent: this authority enrols nobody.
   * @throws {RangeError} for an id, a role or a time that cannot be. {BusbarError} FORBIDDEN for a role that enrolments may not give, UNAVAILABLE or IO when it cannot be kept.
   */
  enrol?(request: EnrolmentRequest): Promise<Enrolment & { readonly token: string }>;
  /** Who may enrol at the moment. */
  enrolments?(): readonly Enrolment[];
  /**
   * Trades a one-time token for the device's own credential; what the device had before counts no more. `id`: who the device says it is, which must then agree.
   * @throws {BusbarError} UNAUTHENTICATED, in the same words whatever is wrong with the token. {RangeError} for a request that cannot be signed: the token is then still good.
   */
  redeem?(claim: EnrolmentClaim & { readonly token: string; readonly id?: string | undefined }, origin: Origin): Promise<DeviceCredential>;
  /**
   * Gives an enrolled device a new credential while its old one stands. An old secret counts until the new one is used, an old certificate until it expires.
   * @throws {BusbarError} UNAUTHENTICATED; FORBIDDEN when what was shown is not a credential that `redeem` or `renew` gave. {RangeError} as `redeem`.
   */
  renew?(credentials: Credentials, claim: EnrolmentClaim, origin: Origin): Promise<DeviceCredential>;
}
