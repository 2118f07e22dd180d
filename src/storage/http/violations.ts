// What a Content-Security-Policy has forbidden. What failed for it does not say so; the browser tells it by an event.

/** What the event says: the directive that forbids, and what it does not allow (a URL, or a word such as `blob`). */
export type Violation = Pick<SecurityPolicyViolationEvent, 'effectiveDirective' | 'blockedURI' | 'sample'>;

/** The event is a task of its own, and in a worker of Firefox a message from another thread: it is waited for this long, ms. */
const TELLING_MS = 100;

/** Listens for a violation from its beginning to `stop`. */
export class ViolationWatch {
  #violation: Violation | undefined;
  #onTold = (): void => {};
  readonly #listener = (violation: SecurityPolicyViolationEvent): void => {
    if (violation.disposition !== 'enforce' || this.#violation || !this.concerns(violation)) return;
    this.#violation = violation;
    this.#onTold();
  };

  /** `concerns` says which violation explains what is watched. */
  constructor(private readonly concerns: (violation: Violation) => boolean) {
    if (hasEvents()) addEventListener('securitypolicyviolation', this.#listener);
  }

  /** After a failure: the violation that explains it; undefined if there was none. */
  async explanation(): Promise<Violation | undefined> {
    if (this.#violation || !hasEvents()) return this.#violation;
    await new Promise<void>((resolve) => {
      const timer = setTimeout(resolve, TELLING_MS);
      this.#onTold = () => {
        clearTimeout(timer);
        resolve();
      };
    });
    return this.#violation;
  }

  stop(): void {
    if (hasEvents()) removeEventListener('securitypolicyviolation', this.#listener);
  }
}

/** Listens for the violation that forbids a request for `url`. */
export function watchRequest(url: string): ViolationWatch {
  const { origin, protocol } = new URL(url);
  // The event names the address; its scheme alone, if it is not of a server; or its origin, if it redirects to another one.
  const names = [url, origin, protocol.slice(0, -1)];
  return new ViolationWatch(
    ({ effectiveDirective, blockedURI }) =>
      effectiveDirective === 'connect-src' && names.includes(blockedURI),
  );
}

/** Node has no policies, and no events of the global object. */
function hasEvents(): boolean {
  return 'addEventListener' in globalThis;
}
