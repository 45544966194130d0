import type { StepMessage } from "@busbar/core";
import type { ExpressionScope } from "./expression.ts";
import type { Sample } from "./samples.ts";

const noSample: Sample = { tag: "", value: null, quality: "good", time: 0 };
const noTags: Readonly<Record<string, unknown>> = {};

/** What an expression sees, one object for all messages of a step: set `message`, `sample` and `tags` before each evaluation. */
export class ReadingScope implements ExpressionScope {
  message!: StepMessage;
  sample: Sample = noSample;
  /** The last known values of the message's topic. */
  tags: Readonly<Record<string, unknown>> = noTags;

  get value(): unknown {
    return this.sample.value;
  }

  get tag(): string {
    return this.sample.tag;
  }

  get unit(): string {
    return this.sample.unit ?? "";
  }

  get quality(): string {
    return this.sample.quality;
  }

  get code(): string {
    return this.sample.code ?? "";
  }

  get time(): Date {
    return new Date(this.sample.time);
  }

  get topic(): string {
    return this.message.topic;
  }

  get kind(): string {
    return this.message.type;
  }

  get from(): string {
    return this.message.from;
  }

  get to(): string {
    return this.message.to;
  }

  get payload(): unknown {
    return this.message.payload;
  }

  get timestamp(): Date {
    return new Date(this.message.timestamp);
  }
}
