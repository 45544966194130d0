import { calculateJwkThumbprint, exportJWK, generateKeyPair } from "jose";
import type { SealingKey } from "../sealed.ts";
import { keyManagement } from "./jwe.ts";

/** Makes a private key, named by its thumbprint (RFC 7638) unless `kid` is given. `crv`: X25519, or P-256 for readers that have nothing newer. */
export async function createSealingKey({ crv = "X25519", kid }: { readonly crv?: "X25519" | "P-256"; readonly kid?: string } = {}): Promise<SealingKey> {
  const { privateKey } = await generateKeyPair(keyManagement, { crv, extractable: true });
  const key = (await exportJWK(privateKey)) as SealingKey;
  return { ...key, kid: kid ?? (await calculateJwkThumbprint(key as Parameters<typeof calculateJwkThumbprint>[0])) };
}

/** The public part of a key: what whoever seals needs. */
export function publicKeyOf({ d: _, ...key }: SealingKey): SealingKey {
  return key;
}
