/** The device whose presence a topic tells (`event/<device>/presence`), or undefined. */
export function presenceDevice(topic: string): string | undefined {
  return topic.length > 15 && topic.startsWith("event/") && topic.endsWith("/presence") ? topic.slice(6, -9) : undefined;
}
