// An MQTT broker to compare with: aedes as its README shows it, with Nagle's algorithm off and without authentication or persistence.
import { Aedes } from "aedes";
import { createServer } from "node:net";

const broker = await Aedes.createBroker();
const server = createServer({ noDelay: true }, broker.handle);
server.listen(0, "127.0.0.1", 4096, () => {
  const address = server.address();
  process.stdout.write(`ready ${JSON.stringify({ mqtt: typeof address === "object" ? address?.port : 0 })}\n`);
});
