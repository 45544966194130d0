import * as v from "valibot";

/** Checks a scheme, a host and a port, and writes them as browsers do. `form`: what it looks like. */
const origin = (form: RegExp, example: string) =>
  v.pipe(v.string(), v.regex(form, `must be an origin such as ${example}`), v.check((text) => text === "*" || URL.canParse(text), "must be an origin with a host and a port that exist"), v.transform((text) => (text === "*" ? text : new URL(text).origin)));

/** A config field: origins of other sites, or `*` for all. */
export const otherOrigin = origin(/^(?:\*|https?:\/\/[^/?#@\s\\]+)$/i, '"https://panel.example", or "*"');

const host = v.pipe(v.string(), v.regex(/^(?:\*|\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i, 'must be a name such as "gateway.lan", without a port, or "*"'), v.check((text) => text === "*" || URL.canParse(`http://${text}`), "must be a name or an address that exists"));

/** Config fields: how browsers reach this server. See [Other sites' pages](README.md#other-sites-pages). */
export const siteFields = {
  origins: v.pipe(
    v.optional(v.pipe(v.array(origin(/^https?:\/\/[^/?#@\s\\]+$/i, '"https://gateway.example"')), v.maxLength(100)), []),
    v.description("Origins under which browsers see this server where a proxy changes scheme, host or port, such as https://gateway.example. Default none, at most 100: the scheme of the listener and the Host of the request are its origin"),
  ),
  hosts: v.pipe(
    v.optional(v.pipe(v.array(host), v.maxLength(100))),
    v.description('Names that requests may be for, besides addresses, localhost and those in origins; "*" = any, at most 100. Default none on loopback, where another name is a page that was pointed at this machine, and any elsewhere'),
  ),
};
