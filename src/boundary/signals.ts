// Signals of callers, as genuine ones: what is done with them (fetch, AbortSignal.any) takes no others.

import { invalid, property, type Read } from './read';

/** A signal, or something with its parts, from which one is made that fires with it. */
export const abortSignal: Read<AbortSignal> = (value, at) => {
  if (typeof value !== 'object' || value === null) throw invalid(at, value, 'an AbortSignal');
  const aborted = property(value, 'aborted', at);
  const listen = property(value, 'addEventListener', at);
  if (typeof aborted !== 'boolean' || typeof listen !== 'function')
    throw invalid(at, value, 'an AbortSignal');
  return isGenuine(value) ? value : following(value as AbortSignal, aborted);
};

/** The platform's own getter throws for everything that the platform did not make. */
function isGenuine(value: object): value is AbortSignal {
  try {
    return typeof Reflect.get(AbortSignal.prototype, 'aborted', value) === 'boolean';
  } catch {
    return false;
  }
}

function following(signal: AbortSignal, aborted: boolean): AbortSignal {
  const controller = new AbortController();
  const follow = (): void => controller.abort(signal.reason);
  if (aborted) follow();
  else signal.addEventListener('abort', follow, { once: true });
  return controller.signal;
}
