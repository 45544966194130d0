import assert from "node:assert/strict";
import { test } from "node:test";
import * as v from "valibot";
import { siteFields } from "./site-config.ts";
import { createSite, type SiteOptions } from "./site.ts";

const site = (options: Partial<SiteOptions> = {}): ReturnType<typeof createSite> => createSite({ host: "127.0.0.1", origins: [], cors: { origins: [] }, ...options });

const checkHost = (host: string, options?: Partial<SiteOptions>, target = "/"): string => site(options).checkHost({ hosts: [host], target, origin: undefined, fetchSite: undefined });

const senderOf = (origin: string | undefined, { host = "127.0.0.1:8080", fetchSite, ...options }: Partial<Omit<SiteOptions, "host">> & { readonly host?: string; readonly fetchSite?: string } = {}): string =>
  site(options).senderOf({ hosts: [host], target: "/", origin, fetchSite });

test("checkHost() on loopback knows addresses and names that nobody can point elsewhere, and no others", () => {
  for (const host of ["127.0.0.1", "127.0.0.1:8080", "localhost:8080", "LOCALHOST", "localhost.:8080", "console.localhost", "[::1]:8080", "[::ffff:127.0.0.1]", "192.168.1.20:8080", "[fe80::1]:80", "localhost:"]) assert.equal(checkHost(host), "known", host);
  for (const host of ["evil.example", "evil.example:8080", "127.0.0.1.evil.example", "localhost.evil.example", "notlocalhost", "127.0.0.1.nip.io", "gateway", "gateway.lan", "0x7f.evil.example"]) assert.equal(checkHost(host), "unknown", host);
  for (const host of ["", " ", "a b", "a/b", "user@localhost", "localhost:99999", "localhost:80:80", "localhost:8o", "[::1", "::1", "localhost#", "localhost?x", "local\\host", "256.256.256.256", "localhost,evil.example", "<script>", "%6cocalhost", "lócalhost"]) assert.equal(checkHost(host), "malformed", host);
});

test("checkHost() knows the names of hosts and origins, any with * and any beyond loopback", () => {
  assert.equal(checkHost("gateway.lan:8080", { hosts: ["Gateway.LAN"] }), "known");
  assert.equal(checkHost("other.lan", { hosts: ["gateway.lan"] }), "unknown");
  assert.equal(checkHost("gateway.example", { origins: ["https://gateway.example"] }), "known");
  assert.equal(checkHost("evil.example", { hosts: ["*"] }), "known");
  assert.equal(checkHost("anything.lan", { host: "0.0.0.0" }), "known");
  assert.equal(checkHost("anything.lan", { host: "0.0.0.0", hosts: ["gateway.lan"] }), "unknown");
  assert.equal(checkHost("192.168.1.20", { host: "0.0.0.0", hosts: ["gateway.lan"] }), "known");
});

test("siteFields say what an origin and a host look like, and write origins as browsers do", () => {
  const config = v.strictObject(siteFields);
  assert.deepEqual(v.parse(config, { origins: ["HTTPS://Gateway.example:443"], hosts: ["*", "gateway.lan", "[::1]", "10.0.0.7"] }), { origins: ["https://gateway.example"], hosts: ["*", "gateway.lan", "[::1]", "10.0.0.7"] });
  for (const origin of ["gateway.example", "*", "https://gateway.example/", "https://a@b", "https://gateway.example:99999", "ftp://gateway.example", "null"]) assert.equal(v.safeParse(config, { origins: [origin] }).success, false, origin);
  for (const host of ["gateway.lan:8080", "https://gateway.lan", "", "a b", "256.256.256.256", "[:::1]", "*.lan"]) assert.equal(v.safeParse(config, { hosts: [host] }).success, false, host);
});

test("checkHost() wants exactly one Host, and a target that is for a host of ours too", () => {
  const of = (hosts: readonly string[], target = "/"): string => site().checkHost({ hosts, target, origin: undefined, fetchSite: undefined });
  assert.equal(of([]), "malformed");
  assert.equal(of(["localhost", "localhost"]), "malformed");
  assert.equal(of(["localhost"], "http://127.0.0.1:8080/api"), "known");
  assert.equal(of(["localhost"], "http://evil.example/api"), "unknown");
  for (const target of ["ftp://localhost/", "localhost:80", "http://", "api"]) assert.equal(of(["localhost"], target), "malformed", target);
  assert.equal(of(["localhost"], "*"), "known");
});

test("checkHost() looks at each Host anew, also after one that it knows", () => {
  const one = site();
  for (const [host, what] of [["localhost", "known"], ["evil.example", "unknown"], ["localhost", "known"], ["a b", "malformed"], ["localhost", "known"]]) assert.equal(one.checkHost({ hosts: [host!], target: "/", origin: undefined, fetchSite: undefined }), what, host);
});

test("senderOf() takes the scheme of the listener and the Host for its own origin, however they are written", () => {
  assert.equal(senderOf(undefined), "own", "no page at all");
  assert.equal(senderOf("http://127.0.0.1:8080"), "own");
  assert.equal(senderOf("HTTP://LOCALHOST:8080", { host: "localhost:8080" }), "own");
  assert.equal(senderOf("http://gateway.lan", { host: "gateway.lan:80" }), "own", "a port that goes without saying");
  assert.equal(senderOf("http://gateway.lan:80", { host: "GATEWAY.lan." }), "own");
  assert.equal(senderOf("https://gateway.lan", { host: "gateway.lan:443", tls: {} }), "own");
  assert.equal(senderOf("http://[::1]:8080", { host: "[0:0:0:0:0:0:0:1]:8080" }), "own");
});

test("senderOf() takes every other page for foreign", () => {
  for (const origin of ["null", "", "https://127.0.0.1:8080", "http://127.0.0.1:8081", "http://127.0.0.1", "http://localhost:8080", "http://127.0.0.1.evil.example:8080", "http://evil.example", "http://127.0.0.1:8080@evil.example", "http://evil@127.0.0.1:8080", "http://127.0.0.1:8080/", "http://127.0.0.1:8080.evil.example", "http://127.0.0.1:8080 http://evil.example", "http://127.0.0.1:8080, http://evil.example", "chrome-extension://abc", "file://", "http://127.0.0.1:80800"])
    assert.equal(senderOf(origin), "foreign", origin);
  assert.equal(senderOf("http://127.0.0.1:8080", { tls: {} }), "foreign", "a page without TLS is not ours where we have it");
  assert.equal(senderOf("https://panel.example", { cors: { origins: ["https://other.example"] } }), "foreign");
});

test("senderOf() believes Sec-Fetch-Site, which pages cannot set, before a missing Origin and before Host", () => {
  for (const fetchSite of ["cross-site", "same-site", "nonsense", "same-origin, cross-site"]) {
    assert.equal(senderOf(undefined, { fetchSite }), "foreign", fetchSite);
    assert.equal(senderOf("http://127.0.0.1:8080", { fetchSite }), "foreign", fetchSite);
  }
  for (const fetchSite of ["same-origin", "none"]) assert.equal(senderOf(undefined, { fetchSite }), "own");
});

test("senderOf() knows its origins behind a proxy, and whom CORS lets in", () => {
  const behind = { origins: ["https://Gateway.example"], cors: { origins: ["https://panel.example"] } };
  assert.equal(senderOf("https://gateway.example", { ...behind, fetchSite: "same-origin" }), "own");
  assert.equal(senderOf("https://gateway.example:443", behind), "own");
  assert.equal(senderOf("http://gateway.example", behind), "foreign");
  assert.equal(senderOf("https://panel.example", { ...behind, fetchSite: "cross-site" }), "allowed");
  assert.equal(senderOf("https://panel.example.evil.example", behind), "foreign");
  assert.equal(senderOf("https://anything.example", { cors: { origins: ["*"] } }), "allowed");
  assert.equal(senderOf("null", { cors: { origins: ["*"] } }), "foreign");
});
