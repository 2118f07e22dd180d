// Unit tests share processes: what one file has put in the place of globals is taken back before the next one begins.
import { afterAll, vi } from 'vitest';

afterAll(() => {
  vi.useRealTimers();
  vi.unstubAllGlobals();
  vi.restoreAllMocks();
});
