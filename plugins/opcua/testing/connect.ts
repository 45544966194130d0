import { type ClientSession, OPCUAClient } from "node-opcua-client";
import { openServerView, type ServerView } from "../server-view.ts";
import { openOpcuaFixture, type OpcuaFixture, type OpcuaFixtureOptions } from "./opcua-fixture.ts";

/** A fixture with a client of it: no security, nobody in particular. */
export interface ConnectedFixture extends OpcuaFixture {
  readonly session: ClientSession;
  readonly view: ServerView;
}

/** Starts a server and connects to it. `close` ends both. */
export async function openConnectedFixture(options?: OpcuaFixtureOptions): Promise<ConnectedFixture> {
  const fixture = await openOpcuaFixture(options);
  const client = OPCUAClient.create({ endpointMustExist: false, connectionStrategy: { maxRetry: 0 } });
  await client.connect(fixture.url);
  const session = await client.createSession();
  const view = await openServerView(session, { signal: new AbortController().signal });
  return {
    ...fixture,
    session,
    view,
    async close() {
      await session.close();
      await client.disconnect();
      await fixture.close();
    },
  };
}
