import { BlockList, isIP, isIPv6 } from "node:net";

/** An address as the socket gives it, without the IPv6 wrapping of IPv4 addresses that a dual-stack listener sees (RFC 4291 §2.5.5.2). */
export function plainAddress(address: string): string {
  return /^::ffff:(\d+\.\d+\.\d+\.\d+)$/i.exec(address)?.[1] ?? address;
}

/** The bare address of a peer as transports name it: without port, brackets, zone (RFC 4007 §11) and the wrapping of IPv4 addresses. */
export function remoteAddress(remote: string): string {
  const bare = /^\[([^\]]+)\](?::\d+)?$/.exec(remote)?.[1] ?? /^(\d+\.\d+\.\d+\.\d+):\d+$/.exec(remote)?.[1] ?? remote;
  const zone = bare.indexOf("%");
  return plainAddress(zone < 0 ? bare : bare.slice(0, zone));
}

/** Whether only this machine can reach a listener on `host`: `localhost`, 127.0.0.0/8 or ::1 (RFC 6890). Other names may mean anything. */
export function isLoopback(host: string): boolean {
  const address = plainAddress(host);
  return address.toLowerCase() === "localhost" || address === "::1" || (isIP(address) === 4 && address.startsWith("127."));
}

/** Whether `text` is an address or a network in CIDR notation (RFC 4632 §3.1). A zone (RFC 4007 §11) belongs to an interface, not to a network. */
export function isNetwork(text: string): boolean {
  const [address = "", bits, more] = text.split("/");
  const version = address.includes("%") ? 0 : isIP(address);
  return version !== 0 && more === undefined && (bits === undefined || (/^\d{1,3}$/.test(bits) && Number(bits) <= (version === 4 ? 32 : 128)));
}

/** Makes the test whether an address lies in a network that `isNetwork` takes. */
export function createNetworkTest(network: string): (address: string) => boolean {
  const [base = "", bits] = network.split("/");
  const family = isIPv6(base) ? "ipv6" : "ipv4";
  const list = new BlockList();
  list.addSubnet(base, bits === undefined ? (family === "ipv4" ? 32 : 128) : Number(bits), family);
  return (address) => {
    const plain = plainAddress(address);
    const version = isIP(plain);
    return version !== 0 && (version === 6) === (family === "ipv6") && list.check(plain, family);
  };
}

/** What limits by address count as one: an IPv4 address, or the first 64 bits of an IPv6 one, as one machine may use all addresses of its network. `remote`: with or without port, brackets, zone. */
export function addressBlock(remote: string): string {
  const address = remoteAddress(remote);
  if (!isIPv6(address) || address === "::1") return address;
  const [head = "", tail] = address.split("::");
  const first = head === "" ? [] : head.split(":");
  if (tail !== undefined) {
    const last = tail === "" ? [] : tail.split(":");
    first.push(...Array<string>(Math.max(0, 8 - first.length - last.length)).fill("0"), ...last);
  }
  return `${first.slice(0, 4).map((part) => Number.parseInt(part, 16).toString(16)).join(":")}::/64`;
}
