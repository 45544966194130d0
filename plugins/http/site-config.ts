import * as v from "valibot";

const origin = v.pipe(v.string(), v.regex(/^https?:\/\/[^/?#@\s\\]+$/i, 'must be an origin such as "https://gateway.example"'), v.check((text) => URL.canParse(text), "must be an origin with a host and port that exist"));
const host = v.pipe(v.string(), v.regex(/^(?:\*|\[[0-9a-f:.]+\]|[a-z0-9._-]+)$/i, 'must be a name such as "gateway.lan", without a port, or "*"'));

/** Config fields: how browsers reach this server. See [Other sites' pages](README.md#other-sites-pages). */
export const siteFields = {
  origins: v.pipe(
    v.optional(v.pipe(v.array(origin), v.maxLength(100)), []),
    v.description("Origins under which browsers see this server where a proxy changes scheme, host or port, such as https://gateway.example. Default none, at most 100: the scheme of the listener and the Host of the request are its origin"),
  ),
  hosts: v.pipe(
    v.optional(v.pipe(v.array(host), v.maxLength(100))),
    v.description('Names that requests may be for, besides addresses, localhost and those in origins; "*" = any, at most 100. Default none on loopback, where another name is a page that was pointed at this machine, and any elsewhere'),
  ),
};
