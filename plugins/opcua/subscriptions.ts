import type { Clock, Log } from "@busbar/core";
import {
  DataChangeNotification, EventNotificationList, PublishRequest, RepublishRequest, StatusChangeNotification, StatusCodes,
  type ClientSession, type MonitoredItemCreateRequestOptions, type MonitoredItemCreateResult, type MonitoredItemNotification, type NotificationMessage, type PublishResponse, type Variant,
} from "node-opcua-client";
import { reasonOf } from "./endpoint.ts";
import { servicesOf, type SubscriptionServices } from "./subscription-services.ts";

/** How the server is to report; milliseconds. */
export interface ReportSettings {
  readonly publish: number;
  readonly keepAlive: number;
  readonly lifetime: number;
  /** Items of one subscription. */
  readonly items: number;
  /** Values in one report; 0 = any number. */
  readonly notifications: number;
  readonly priority: number;
}

/** What subscriptions are made of. */
export interface SubscriptionsOptions {
  readonly settings: ReportSettings;
  readonly clock: Clock;
  readonly log: Log;
  /** Milliseconds that the server may take for an answer. */
  readonly timeout: number;
  /** Takes the values of a report. What it returns is awaited before the report is acknowledged and more is asked for. */
  readonly onValues: (values: readonly MonitoredItemNotification[]) => Promise<void> | undefined;
  /** Takes an event: the handle of its item and the fields that its filter selects. */
  readonly onEvent: (handle: number, fields: Variant[]) => void;
  /** Reports of the server that did not arrive and cannot be had any more. */
  readonly onMissed: (reports: number) => void;
  /** The server has lost them: the session is of no use any more. */
  readonly onLost: (reason: string) => void;
}

/** What became of the subscriptions when a connection came back. */
export type Resumption = "kept" | "transferred" | "gone";

interface Subscription {
  readonly id: number;
  /** Of the last report that was taken; the next one has the number after it (OPC 10000-4 §5.14.1.1). */
  sequence: number;
  items: number;
  /** When the server was heard last: ms of the clock. */
  heard: number;
  /** Milliseconds after which it must have been heard. */
  readonly silence: number;
}

/** Reports that are asked for again one by one, at the most. */
const mostRepublished = 1_000;
/** Requests that wait at the server besides one for each subscription, so that it never has none (OPC 10000-4 §5.14.5). */
const spare = 1;

/**
 * The subscriptions of one server over all connections to it: asks for reports, acknowledges them, asks again for those that got lost, and takes the subscriptions along to the next
 * connection. Not node-opcua's own: that one re-creates monitored items by itself, by namespace indexes that may mean other nodes by then, and makes an event of every value.
 */
export class Subscriptions {
  readonly #options: SubscriptionsOptions;
  readonly #list = new Map<number, Subscription>();
  #session: SubscriptionServices | undefined;
  #acknowledgements: { subscriptionId: number; sequenceNumber: number }[] = [];
  #waiting = 0;
  #most = 50;
  #taking = 0;

  constructor(options: SubscriptionsOptions) {
    this.#options = options;
  }

  /** How many there are. */
  get size(): number {
    return this.#list.size;
  }

  /** Their ids at the server. */
  get ids(): readonly number[] {
    return [...this.#list.keys()];
  }

  /** Works with this session from now on, without subscriptions. */
  begin(session: ClientSession): void {
    this.#list.clear();
    this.#attach(session);
  }

  /** Goes on with what there was, on the same session or by transfer to another one (OPC 10000-4 §5.14.7), and fetches the reports that were under way. */
  async resume(session: ClientSession, sameSession: boolean): Promise<Resumption> {
    if (this.#list.size === 0) return "gone";
    this.#attach(session);
    try {
      if (!sameSession && !(await this.#transfer(servicesOf(session)))) return "gone";
      for (const subscription of this.#list.values()) {
        subscription.heard = this.#options.clock.now();
        await this.#republish(subscription, undefined);
      }
    } catch (error) {
      this.#options.log.debug("the server has not kept the subscriptions", { reason: reasonOf(error) });
      return "gone";
    }
    this.#pump();
    return sameSession ? "kept" : "transferred";
  }

  /** Asks for no more reports; the server keeps the subscriptions. */
  detach(): void {
    this.#session = undefined;
  }

  /**
   * Adds items, each with a client handle that is its own; makes subscriptions as they are needed. The results are in the order of the items.
   * @throws {Error} of the client library when a request as a whole fails.
   */
  async monitor(items: readonly MonitoredItemCreateRequestOptions[], { perCall, signal }: { readonly perCall: number; readonly signal: AbortSignal }): Promise<MonitoredItemCreateResult[]> {
    const results: MonitoredItemCreateResult[] = [];
    while (results.length < items.length) {
      signal.throwIfAborted();
      const session = this.#session!;
      const subscription = [...this.#list.values()].find((one) => one.items < this.#options.settings.items) ?? (await this.#create(session));
      const part = items.slice(results.length, results.length + Math.min(perCall, this.#options.settings.items - subscription.items));
      const answer = await session.createMonitoredItems({ subscriptionId: subscription.id, timestampsToReturn: 2, itemsToCreate: part as MonitoredItemCreateRequestOptions[] });
      subscription.items += part.length;
      for (const result of answer.results ?? []) results.push(result);
    }
    return results;
  }

  /** Whether one of them has not been heard for longer than the server had promised. */
  isSilent(): boolean {
    if (this.#taking > 0) return false;
    const now = this.#options.clock.now();
    return [...this.#list.values()].some(({ heard, silence }) => now - heard > silence);
  }

  #attach(session: ClientSession): void {
    this.#session = servicesOf(session);
    this.#waiting = 0;
    this.#acknowledgements = [];
  }

  async #create(session: SubscriptionServices): Promise<Subscription> {
    const { settings, clock, timeout } = this.#options;
    const { subscriptionId, revisedMaxKeepAliveCount, revisedPublishingInterval } = await session.createSubscription({
      requestedPublishingInterval: settings.publish,
      requestedMaxKeepAliveCount: Math.max(1, Math.round(settings.keepAlive / settings.publish)),
      requestedLifetimeCount: Math.max(3, Math.round(settings.lifetime / settings.publish)),
      maxNotificationsPerPublish: settings.notifications,
      priority: settings.priority,
      publishingEnabled: true,
    });
    const subscription = { id: subscriptionId, sequence: 0, items: 0, heard: clock.now(), silence: revisedMaxKeepAliveCount * revisedPublishingInterval * 2 + timeout };
    this.#list.set(subscriptionId, subscription);
    this.#pump();
    return subscription;
  }

  #transfer(session: SubscriptionServices): Promise<boolean> {
    return new Promise((resolve, reject) => {
      session.transferSubscriptions({ subscriptionIds: [...this.#list.keys()], sendInitialValues: true }, (error, answer) => {
        if (error) return reject(error);
        resolve(answer?.results?.length === this.#list.size && answer.results.every(({ statusCode }) => statusCode.isGoodish()));
      });
    });
  }

  #pump(): void {
    const session = this.#session;
    while (session !== undefined && session === this.#session && this.#taking === 0 && this.#list.size > 0 && this.#waiting < Math.min(this.#most, this.#list.size + spare)) {
      this.#waiting++;
      // as long as no report is due a request waits at the server: the hint must not end it before the next sign of life
      const timeoutHint = Math.max(...[...this.#list.values()].map(({ silence }) => silence)) * 2;
      session.publish(new PublishRequest({ requestHeader: { timeoutHint }, subscriptionAcknowledgements: this.#acknowledgements.splice(0) }), (error, response) => {
        if (session !== this.#session) return;
        this.#waiting--;
        if (error) this.#refused(error);
        else if (response) this.#take(response);
        if (!error) this.#pump();
      });
    }
  }

  #refused(error: Error): void {
    const { clock, onLost, log } = this.#options;
    const reason = reasonOf(error);
    if (/BadTooManyPublishRequests/.test(error.message)) this.#most = Math.max(1, this.#waiting);
    else if (/BadNoSubscription|BadSession|BadSubscription/.test(error.message)) return onLost(`the server has lost the subscription (${reason})`);
    else log.debug("a request for reports failed", { reason });
    const cancel = clock.after(1_000, () => this.#pump());
    if (this.#session === undefined) cancel();
  }

  #take({ subscriptionId, notificationMessage }: PublishResponse): void {
    const subscription = this.#list.get(subscriptionId);
    if (subscription === undefined) return;
    subscription.heard = this.#options.clock.now();
    const { sequenceNumber, notificationData } = notificationMessage;
    const keepsAlive = !notificationData?.length; // its number is the one that the next report will have
    const expected = next(subscription.sequence);
    const missing = distance(expected, sequenceNumber);
    if (missing > 0 && missing < mostRepublished) {
      subscription.sequence = keepsAlive ? before(sequenceNumber) : sequenceNumber;
      void this.#refetch(subscription, { from: expected, count: missing });
    } else if (!keepsAlive) subscription.sequence = sequenceNumber;
    if (!keepsAlive) this.#deliver(subscription, notificationMessage);
  }

  #deliver(subscription: Subscription, { sequenceNumber, notificationData }: NotificationMessage): void {
    const { onValues, onEvent, onLost } = this.#options;
    let taken: Promise<void> | undefined;
    // GoodSubscriptionTransferred is our own doing; where somebody else has taken it, its silence shows
    for (const data of notificationData ?? []) {
      if (data instanceof DataChangeNotification) taken = onValues(data.monitoredItems ?? []) ?? taken;
      else if (data instanceof EventNotificationList) for (const { clientHandle, eventFields } of data.events ?? []) onEvent(clientHandle, eventFields ?? []);
      else if (data instanceof StatusChangeNotification && !data.status.isGoodish()) onLost(`the server has ended the subscription (${data.status.name})`);
    }
    const acknowledge = (): void => void this.#acknowledgements.push({ subscriptionId: subscription.id, sequenceNumber });
    if (taken === undefined) return acknowledge();
    this.#taking++;
    void taken.then(acknowledge, () => {}).finally(() => {
      this.#taking--;
      this.#pump();
    });
  }

  async #refetch(subscription: Subscription, { from, count }: { readonly from: number; readonly count: number }): Promise<void> {
    try {
      const got = await this.#republish(subscription, { from, count });
      if (got < count) this.#options.onMissed(count - got);
    } catch (error) {
      this.#options.onMissed(count);
      this.#options.log.debug("lost reports cannot be had again", { reason: reasonOf(error) });
    }
  }

  /** Fetches reports again (OPC 10000-4 §5.14.6), those named or all that come after the last one taken. Returns how many there were. @throws {Error} when the subscription is gone. */
  async #republish(subscription: Subscription, range: { readonly from: number; readonly count: number } | undefined): Promise<number> {
    let got = 0;
    for (let at = 0, number = range?.from ?? next(subscription.sequence); at < (range?.count ?? mostRepublished); at++, number = next(number)) {
      const message = await this.#republishOne(subscription.id, number);
      if (message === undefined && range === undefined) break;
      if (message === undefined) continue;
      got++;
      if (range === undefined) subscription.sequence = number;
      this.#deliver(subscription, message);
    }
    return got;
  }

  #republishOne(subscriptionId: number, retransmitSequenceNumber: number): Promise<NotificationMessage | undefined> {
    return new Promise((resolve, reject) => {
      const session = this.#session;
      if (session === undefined) return reject(new Error("the connection has ended"));
      session.republish(new RepublishRequest({ subscriptionId, retransmitSequenceNumber }), (error, response) => {
        if (error && !error.message.includes(StatusCodes.BadMessageNotAvailable.name)) return reject(error);
        resolve(error ? undefined : response?.notificationMessage);
      });
    });
  }
}

/** Sequence numbers are UInt32 and go from the last one to 1 (OPC 10000-4 §7.25). */
const largest = 4_294_967_295;
const next = (sequence: number): number => (sequence === largest ? 1 : sequence + 1);
const before = (sequence: number): number => (sequence === 1 ? largest : sequence - 1);
const distance = (from: number, to: number): number => (to >= from ? to - from : to - from + largest);
