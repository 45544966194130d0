import assert from "node:assert/strict";
import { test } from "node:test";
import { openFolder, runBusbar } from "../testing/busbar.ts";

const config = `plugins:
  auth-jwt:
    roles:
      admin: { publish: ["#"], subscribe: ["#"] }
      device:
        publish:
          - status/{id}/#
          - event/{id}/#
        subscribe: ["status/group/{group}/#"]
      guest:
        subscribe: ["status/#"]
        deny:
          subscribe:
            - "audit/#"
            - "status/+/private/#"
      operator:
        when: { transports: [websocket, tcp], networks: [10.20.0.0/16] }
        publish: ["command/#"]
    groups:
      kitchen: [lamp-1, "home-7/+"]
    devices:
      lamp-1: { secret: "scrypt$16384$8$1$${"A".repeat(22)}$${"A".repeat(43)}", roles: [device] }
      both: { secret: "scrypt$16384$8$1$${"A".repeat(22)}$${"A".repeat(43)}", roles: [device] }
    certificates:
      plc.example.org: { id: plc-1, roles: [device, operator], groups: [hall] }
      both.example.org: { id: both, roles: [admin] }
`;

const can = async (...words: string[]) => {
  await using folder = await openFolder({ "busbar.yaml": config });
  return await runBusbar(["can", ...words], { cwd: folder.path, env: { NO_COLOR: "1" } });
};

for (const [words, code, lines] of [
  [["home-7", "publish", "status/home-7/lamp", "--role", "device"], 0, ['allowed: role "device" grants status/{id}/# (busbar.yaml:7:13)', "  home-7: role device"]],
  [["home-7", "publish", "status/home-70", "--role", "device"], 77, ["refused: no role of its grants all of it", "  home-7: role device", "  near: grant publish status/{id}/# of role device (busbar.yaml:7:13): grants it the topic status/home-7/# only"]],
  [["anna", "subscribe", "status/#", "--role", "admin", "--role", "guest"], 77, [
    'refused: role "guest" denies status/+/private/#, which it asks for a part of (busbar.yaml:15:15)', "  anna: role admin, guest",
    "  near: grant subscribe # of role admin (busbar.yaml:4:44): grants it, but a denial wins", "  near: grant publish # of role admin (busbar.yaml:4:26): grants publish, not subscribe",
  ]],
  [["lamp-1", "subscribe", "status/group/kitchen/x"], 0, ['allowed: role "device" grants status/group/{group}/# (busbar.yaml:9:21)', "  lamp-1: role device; group kitchen"]],
  [["home-7/oven", "subscribe", "status/group/kitchen/x", "--role", "device"], 0, ['allowed: role "device" grants status/group/{group}/# (busbar.yaml:9:21)', "  home-7/oven: role device; group kitchen"]],
  [["plc-1", "publish", "command/press", "--transport", "tcp", "--from", "10.20.3.4"], 0, ['allowed: role "operator" grants command/# (busbar.yaml:18:19)', "  plc-1: role device, operator; group hall; over tcp from 10.20.3.4"]],
  [["plc-1", "publish", "command/press", "--transport", "http", "--from", "10.20.3.4"], 77, ["refused: no role of its grants all of it", "  plc-1: role device, operator; group hall; over http from 10.20.3.4", "  near: grant publish command/# of role operator (busbar.yaml:18:19): grants it only over websocket or tcp, from 10.20.0.0/16"]],
  [["plc-1", "publish", "command/press"], 77, ["refused: no role of its grants all of it", "  plc-1: role device, operator; group hall", "  near: grant publish command/# of role operator (busbar.yaml:18:19): grants it only over websocket or tcp, from 10.20.0.0/16, and it is not known where it comes from"]],
  [["anna", "subscribe", "command/anna/#", "--role", "device"], 0, ["allowed: it is its own letter box, for which nobody needs a right", "  anna: role device"]],
  [["anna", "publish", "audit/gateway", "--role", "admin"], 77, ['refused: only the gateway itself says "audit"', "  anna: role admin"]],
] as const) {
  test(`busbar can ${words.join(" ")} ends with ${code}`, async () => {
    const { code: ended, stdout, stderr } = await can(...words);
    assert.deepEqual([ended, stdout.trimEnd().split("\n"), stderr], [code, [...lines], "busbar: by the config alone; what was revoked or enrolled while the gateway ran does not count here\n"]);
  });
}

test("busbar can --json names the rule with file, line and column", async () => {
  const { code, stdout } = await can("home-7", "publish", "event/home-7", "--role", "device", "--json");
  assert.equal(code, 0);
  assert.deepEqual(JSON.parse(stdout), {
    id: "home-7", action: "publish", topic: "event/home-7", roles: ["device"], groups: [], allowed: true, why: 'role "device" grants event/{id}/#',
    rule: { role: "device", effect: "grant", action: "publish", index: 1, pattern: "event/{id}/#", file: "busbar.yaml", line: 8, column: 13 }, near: [],
  });
});

test("busbar can <id> lists all that it may do, written out for it", async () => {
  const { code, stdout } = await can("plc-1", "--transport", "http", "--from", "10.20.3.4");
  assert.equal(code, 0);
  assert.deepEqual(stdout.trimEnd().split("\n").map((line) => line.trim().split(/ {2,}/)), [
    ["plc-1: role device, operator; group hall; over http from 10.20.3.4"],
    ["grant", "publish", "status/plc-1/#", "device", "busbar.yaml:7:13"],
    ["grant", "publish", "event/plc-1/#", "device", "busbar.yaml:8:13"],
    ["grant", "subscribe", "status/group/hall/#", "device", "busbar.yaml:9:21"],
    ["grant", "publish", "command/#", "operator", "busbar.yaml:18:19", "only over websocket or tcp, from 10.20.0.0/16: not here"],
    ["grant", "subscribe", "command/plc-1/#, ack/plc-1/#", "-", "everybody's own letter box"],
  ]);
  const json = JSON.parse((await can("plc-1", "--json")).stdout) as { rules: { role: string; counts: boolean; topics: string[]; line: number }[] };
  assert.deepEqual(json.rules.map(({ role, counts, topics, line }) => [role, counts, topics, line]), [["device", true, ["status/plc-1/#"], 7], ["device", true, ["event/plc-1/#"], 8], ["device", true, ["status/group/hall/#"], 9], ["operator", false, ["command/#"], 18]]);
});

for (const [words, line] of [
  [["stranger", "publish", "a"], /^busbar: can: the config does not know "stranger", whose token may name any role: say which with --role$/],
  [["both", "publish", "a"], /^busbar: can: the config knows "both" as devices\["both"\] \(device\) and certificates\["both\.example\.org"\] \(admin\): say with --role which roles are meant$/],
  [["anna", "publish", "a", "--role", "root"], /^busbar: can: there is no role "root"; there are admin, device, guest, operator$/],
  [["anna", "publish", "a", "--role", "__proto__"], /^busbar: can: there is no role "__proto__"/],
  [["constructor", "publish", "a"], /^busbar: can: the config does not know "constructor"/],
  [["group/kitchen", "publish", "a", "--role", "admin"], /^busbar: can: "group\/kitchen" is not an id that somebody may have$/],
  [["anna", "read", "a", "--role", "admin"], /^busbar: can: the action must be publish or subscribe, not "read"$/],
  [["anna", "publish", "--role", "admin"], /^busbar: can: <topic> is missing$/],
  [["anna", "publish", "a//b", "--role", "admin"], /^busbar: can: "a\/\/b" is not a topic or a pattern/],
  [["anna", "publish", "a", "--role", "admin", "--from", "10.0.0.1"], /^busbar: can: --transport and --from go together$/],
  [["anna", "publish", "a", "--role", "admin", "--from", "here", "--transport", "tcp"], /^busbar: can: --from must be an address, not "here"$/],
] as const) {
  test(`busbar can ${words.join(" ")} is refused with 64`, async () => {
    const { code, stdout, stderr } = await can(...words);
    assert.match(stderr.trimEnd(), line);
    assert.deepEqual([code, stdout], [64, ""]);
  });
}

test("busbar can without an auth-jwt section ends with 78", async () => {
  await using folder = await openFolder({ "busbar.yaml": "plugins: {}\n" });
  assert.equal((await runBusbar(["can", "anna", "--role", "admin"], { cwd: folder.path })).code, 78);
});
