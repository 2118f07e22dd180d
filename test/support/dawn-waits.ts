// Under Node, Dawn asks again and again whether what somebody awaits is done, once in each turn of the event loop: while a driver
// compiles that takes a whole core. Here it looks at once a few times, and then every millisecond. Measured on lavapipe with nothing
// in Mesa's cache: test/gpu/golden took 30 s of the processor instead of 49, test/gpu/kernels/rope-append 10 instead of 16.

/** What is done within so many looks, some 0.2 ms, is heard of as soon as without this. */
export const LOOKS_AT_ONCE = 20;

/** Whether native code made this function, and not as V8 makes those of promises, which are no constructors. */
function isOfDawn(callback: (...args: unknown[]) => void): boolean {
  const text = Function.prototype.toString.call(callback);
  return Object.hasOwn(callback, 'prototype') && text.endsWith('{ [native code] }');
}

/** Replaces `setImmediate` by one with which Dawn pauses between two looks; for everybody else it is as before. */
export function pauseBetweenLooks(): void {
  const immediately = globalThis.setImmediate;
  let isLooking = false;
  /** How often Dawn has looked in vain, one after the other. */
  let looks = 0;
  const paused = (callback: (...args: unknown[]) => void, ...args: unknown[]): unknown => {
    if (!isOfDawn(callback)) return immediately(callback, ...args);
    // What Dawn asks for while it looks is the next look. Otherwise somebody begins to wait.
    looks = isLooking ? looks + 1 : 0;
    const look = (): void => {
      isLooking = true;
      try {
        callback(...args);
      } finally {
        isLooking = false;
      }
    };
    return looks < LOOKS_AT_ONCE ? immediately(look) : setTimeout(look, 1);
  };
  globalThis.setImmediate = Object.assign(paused, immediately);
}
