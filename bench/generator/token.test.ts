import assert from "node:assert/strict";
import { it } from "node:test";
import jwt from "jsonwebtoken";
import { signToken } from "./token.ts";

it("signToken() makes a token that jsonwebtoken accepts with the claims of WIRE §6", () => {
  const secret = "0123456789abcdef0123456789abcdef";
  const claims = jwt.verify(signToken(secret, { sub: "dev-1", roles: ["device"] }), secret, { algorithms: ["HS256"], audience: "busbar" });
  assert.ok(typeof claims === "object");
  assert.equal(claims.sub, "dev-1");
  assert.deepEqual(claims["roles"], ["device"]);
  assert.equal((claims.exp ?? 0) - (claims.iat ?? 0), 3600);
});
