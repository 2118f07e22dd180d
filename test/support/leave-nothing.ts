// Unit tests share processes: what one file has put in the place of globals is taken back before the next one begins, and what cannot be
// is named.
import { afterAll, vi } from 'vitest';

/** Of libraries, ArkType and Zod, which keep there what all their copies share. */
const KEPT_BY_LIBRARIES = /^(\$ark|__zod_.*)$/;

const before = new Set(Object.getOwnPropertyNames(globalThis));

afterAll(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
  const left = Object.getOwnPropertyNames(globalThis).filter(
    (name) => !before.has(name) && !KEPT_BY_LIBRARIES.test(name),
  );
  if (left.length > 0) throw new Error(`Left on globalThis: ${left.join(', ')}. Use vi.stubGlobal.`);
});
