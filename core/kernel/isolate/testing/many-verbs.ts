import * as v from "valibot";
import { definePlugin } from "../../../plugin.ts";
import { BusbarError } from "../../../errors.ts";

/** A plugin for the tests of isolates: uses every part of its context, and says on `said/…` what came of it. */
export default definePlugin({
  name: "many-verbs",
  description: "Uses everything",
  accepts: true,
  config: v.strictObject({ word: v.optional(v.string(), "hello"), pause: v.optional(v.pipe(v.string(), v.transform((text) => text.length)), "abc") }),
  setup(ctx) {
    const { bus, config } = ctx;
    const say = (what: string, payload: unknown): void => void bus.publish({ type: "said", from: `${ctx.id}/${what}`, payload });
    ctx.announce({ what: "Nothing", url: "none://here" });
    const counter = ctx.metrics.counter("busbar_verbs_total", "Verbs", { of: "test" });
    ctx.defer(ctx.metrics.gauge("busbar_verbs_open", "Open verbs", () => 7));
    ctx.accept((message) => say("accepted", message.payload));
    ctx.defer(() => say("stopping", true));
    bus.subscribe("ask/#", async ({ payload, to }) => {
      counter.value++;
      const { what, argument } = payload as { readonly what: string; readonly argument?: unknown };
      if (what === "config") say(what, config);
      if (what === "bytes") say(what, new Uint8Array([0, 255, 1]));
      if (what === "deliver") say(what, await bus.deliver({ type: "note", payload: argument }));
      if (what === "request") {
        const { payload: answer } = await bus.request({ type: "command", to: "lamp", payload: argument, qos: 1 }, { signal: AbortSignal.timeout(20_000) });
        say(what, answer);
      }
      if (what === "give-up") {
        const error = await bus.request({ type: "command", to: "nobody", payload: 1 }, { signal: AbortSignal.timeout(50) }).catch((reason: unknown) => reason);
        say(what, (error as Error).name);
      }
      if (what === "bad") {
        try {
          bus.publish({ type: "Not A Type", payload: to });
        } catch (error) {
          say(what, (error as BusbarError).code);
        }
      }
      if (what === "log") ctx.log.warn("a line of the log", { argument });
      if (what === "fail") ctx.fail(new Error("gives up"));
    });
    bus.consume("main", "item/#", async (entries, { lane, attempt }) => {
      const refused = entries.filter(({ message }) => message.payload === "bad").map(({ offset }) => offset);
      say("batch", { lane, attempt, values: entries.map(({ message }) => message.payload) });
      if (refused.length > 0) throw new BusbarError("REFUSED", "it is bad", { offsets: refused });
    });
    bus.subscribe("slow/#", async ({ payload }) => {
      await ctx.clock.sleep(1);
      say("slow", payload);
    }, { limit: 100_000 });
  },
});
