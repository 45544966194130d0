/** Who is to be enrolled: asked for by an operator. */
export interface EnrolmentRequest {
  /** The device's id. */
  readonly id: string;
  /** Roles it will have. */
  readonly roles: readonly string[];
  /** Groups it will be in, besides those of the authority's config. */
  readonly groups?: readonly string[] | undefined;
  /** Seconds in which the token must be used. Default: as the authority's config says. */
  readonly ttl?: number | undefined;
  /** The id of whoever asks. */
  readonly by: string;
}

/** A device that may enrol, once. */
export interface Enrolment {
  readonly id: string;
  readonly roles: readonly string[];
  readonly groups: readonly string[];
  /** Milliseconds since the Unix epoch. */
  readonly expires: number;
  readonly by: string;
}

/** What a device shows to enrol, or to have its credential renewed. */
export interface EnrolmentClaim {
  /** A PKCS#10 request in PEM (RFC 2986): the device wants a certificate for its key. Absent: it wants a secret. */
  readonly csr?: string | undefined;
}

/** A device's own credential, told once. */
export type DeviceCredential =
  | { readonly id: string; readonly secret: string }
  /** PEM; `authority` is the certificate that signed it. `expires`: milliseconds since the Unix epoch. */
  | { readonly id: string; readonly certificate: string; readonly authority: string; readonly expires: number };
