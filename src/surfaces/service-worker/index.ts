// `ternion/service-worker`: the OpenAI paths at the page's own origin, answered by a tab that has a model.

export type { Answer } from './answering';
export { offer, type Offer, type OfferOptions } from './offer';
export { serve, type ServeOptions, type Serving } from './serve';
export type { ServiceWorkerScope } from './scope';
export { TernionError, type TernionErrorCode } from '../../errors';
