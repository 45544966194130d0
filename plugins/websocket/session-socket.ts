import { WebSocket } from "ws";

/**
 * The `ws` socket of one session. Data frames are written past `ws`, a turn's worth at a time, so what is still queued has to go out before a close frame does, whoever
 * began to close: the session, the peer, or `ws` itself over a frame that is none. After a close frame there must be no data (RFC 6455 §5.5.1).
 */
export class SessionSocket extends WebSocket {
  /** Writes what is queued; called once, right before the close frame. */
  beforeClose: (() => void) | undefined;

  override close(code?: number, reason?: string | Buffer): void {
    if (this.readyState === WebSocket.OPEN) this.beforeClose?.();
    super.close(code, reason);
  }
}
