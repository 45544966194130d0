/** How many messages a second a client sends: as many as it likes, until the gateway has ended a connection for that (4029); then half of what it sent, and a tenth more every ten seconds. */
export class Pace {
  #limit = Number.POSITIVE_INFINITY;
  /** The second that is being counted, and what was sent in it and in the one before. */
  #second = 0;
  #sent = 0;
  #before = 0;
  #raised = 0;

  /** How many of `wanted` may go now. `now`: milliseconds. */
  take(wanted: number, now: number): number {
    this.#turn(now);
    if (this.#limit !== Number.POSITIVE_INFINITY && now - this.#raised > 10_000) {
      this.#raised = now;
      this.#limit *= 1.1;
    }
    const given = Math.max(0, Math.min(wanted, Math.floor(this.#limit - this.#sent)));
    this.#sent += given;
    return given;
  }

  /** It was too much. */
  slow(now: number): void {
    this.#turn(now);
    this.#limit = Math.max(1, Math.floor(Math.min(this.#limit, Math.max(this.#sent, this.#before)) / 2));
    this.#raised = now;
  }

  #turn(now: number): void {
    const second = Math.floor(now / 1000);
    if (second === this.#second) return;
    this.#before = second === this.#second + 1 ? this.#sent : 0;
    this.#second = second;
    this.#sent = 0;
  }
}
