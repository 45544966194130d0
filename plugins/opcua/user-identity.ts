import { BusbarError, readConfigFile } from "@busbar/core";
import { IssuedIdentityToken, UserTokenType, type EndpointDescription, type OPCUAClient, type UserIdentityInfo, type UserNameIdentityToken } from "node-opcua-client";
import { certificateBytes } from "./certificate-text.ts";

/** The user of a config, its paths made absolute. */
export interface UserWish {
  readonly name?: string | undefined;
  readonly password?: string | undefined;
  readonly certFile?: string | undefined;
  readonly keyFile?: string | undefined;
  readonly token?: string | undefined;
}

/** Which kind of token an endpoint must take for that user. */
export function tokenTypeOf(user: UserWish | undefined): UserTokenType {
  if (user === undefined) return UserTokenType.Anonymous;
  if (user.name !== undefined) return UserTokenType.UserName;
  return user.certFile === undefined ? UserTokenType.IssuedToken : UserTokenType.Certificate;
}

/**
 * What node-opcua activates a session with. An issued token travels as the password of a user name, until `carryIssuedToken` makes a token of it.
 * @throws {BusbarError} CONFIG when a file cannot be read.
 */
export async function readUserIdentity(user: UserWish | undefined): Promise<UserIdentityInfo> {
  if (user === undefined) return { type: UserTokenType.Anonymous };
  if (user.token !== undefined) return { type: UserTokenType.UserName, userName: "", password: user.token };
  if (user.name !== undefined) return { type: UserTokenType.UserName, userName: user.name, password: user.password ?? "" };
  const certificateData = certificateBytes(await readConfigFile(user.certFile!, "certificate of the user"));
  if (certificateData === undefined) throw new BusbarError("CONFIG", `Cannot use the certificate of the user in "${user.certFile}": it is neither PEM nor DER`);
  return { type: UserTokenType.Certificate, certificateData, privateKey: (await readConfigFile(user.keyFile!, "key of the user's certificate")).toString("latin1") };
}

type Done = (error: Error | null, data?: { userIdentityToken: unknown; userTokenSignature: unknown }) => void;
type MakeToken = (context: { readonly endpoint: EndpointDescription }, user: UserIdentityInfo, done: Done) => void;

/**
 * Teaches a client issued tokens (OPC 10000-4 §7.40.6), which node-opcua's does not know: their secret is encrypted as a password is (§7.40.2.2), so it makes the token of a user name
 * out of the endpoint's policy for issued tokens, and this puts it into the other kind of token.
 */
export function carryIssuedToken(client: OPCUAClient): void {
  const inner = client as unknown as { createUserIdentityToken: MakeToken };
  const make = inner.createUserIdentityToken.bind(client);
  inner.createUserIdentityToken = (context, user, done) => {
    const policy = context.endpoint.userIdentityTokens?.find(({ tokenType }) => tokenType === UserTokenType.IssuedToken);
    if (policy === undefined) return done(new Error("the endpoint takes no issued tokens"));
    const { policyId, securityPolicyUri } = policy;
    const endpoint = Object.assign(Object.create(Object.getPrototypeOf(context.endpoint) as object), context.endpoint, { userIdentityTokens: [{ ...policy, policyId, securityPolicyUri, tokenType: UserTokenType.UserName }] }) as EndpointDescription;
    make({ ...context, endpoint }, user, (error, data) => {
      if (error || data === undefined) return done(error);
      const { password, encryptionAlgorithm } = data.userIdentityToken as UserNameIdentityToken;
      done(null, { ...data, userIdentityToken: new IssuedIdentityToken({ policyId, tokenData: password, encryptionAlgorithm }) });
    });
  };
}
