/** Somebody who has been authenticated. */
export interface Principal {
  /** Its id (WIRE §1). It speaks for itself and for every id below it. */
  readonly id: string;
  /** Names of roles, as the Authority knows them. */
  readonly roles: readonly string[];
  /** Names of the device groups it is in. */
  readonly groups: readonly string[];
  /** Milliseconds since the Unix epoch when this identity ends; absent = with the connection. */
  readonly expires?: number | undefined;
  /**
   * A person or an app, not a device: it may have several sessions at once, none replaces another; it is sent no commands and has no presence.
   * Default false.
   */
  readonly user?: boolean | undefined;
  /** The token's `jti`, or another name for the one credential that was shown; lets it be revoked alone. */
  readonly credential?: string | undefined;
}

/** What a peer shows to say who it is. */
export type Credentials =
  /** A JWT, or a device's own secret; `id` is who the peer says it is, which must then agree. */
  | { readonly kind: "token"; readonly token: string; readonly id?: string | undefined }
  /** A client certificate that TLS has verified. `names` are its subject CN and SAN DNS names. */
  | { readonly kind: "certificate"; readonly names: readonly string[]; readonly fingerprint: string };

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
  authenticate(credentials: Credentials, options: { readonly remote: string; readonly signal?: AbortSignal }): Promise<Principal>;
  /** Whether the principal may. `topic` may be a filter, which must lie wholly within what is granted. Synchronous; callers cache the answer until `onChange`. */
  can(principal: Principal, action: Action, topic: string): boolean;
  /** Whether this identity still stands: neither expired nor revoked. */
  stands(principal: Principal): boolean;
  /** Makes a token. @throws {BusbarError} FORBIDDEN when this authority cannot sign. */
  issue(request: TokenRequest): Promise<string>;
  /** Calls `listener` whenever an earlier answer of `can` or `stands` may have changed. Returns the function that ends it. */
  onChange(listener: () => void): () => void;
}
