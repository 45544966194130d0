import type {
  ClientSession, CreateMonitoredItemsRequestOptions, CreateMonitoredItemsResponse, CreateSubscriptionRequestOptions, CreateSubscriptionResponse, PublishRequest, PublishResponse, RepublishRequest,
  RepublishResponse, TransferSubscriptionsRequestOptions, TransferSubscriptionsResponse,
} from "node-opcua-client";

type Answer<T> = (error: Error | null, response?: T) => void;

/** The services of subscriptions one by one (OPC 10000-4 §5.13, §5.14). */
export interface SubscriptionServices {
  createSubscription(request: CreateSubscriptionRequestOptions): Promise<CreateSubscriptionResponse>;
  createMonitoredItems(request: CreateMonitoredItemsRequestOptions): Promise<CreateMonitoredItemsResponse>;
  transferSubscriptions(request: TransferSubscriptionsRequestOptions, answer: Answer<TransferSubscriptionsResponse>): void;
  publish(request: PublishRequest, answer: Answer<PublishResponse>): void;
  republish(request: RepublishRequest, answer: Answer<RepublishResponse>): void;
}

/** Every session of node-opcua-client has them; its types show only what is built upon them. The package's version is fixed, and the tests go through each. */
export function servicesOf(session: ClientSession): SubscriptionServices {
  return session as unknown as SubscriptionServices;
}
