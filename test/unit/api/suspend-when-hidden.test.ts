// When an engine is suspended by itself: its page is hidden, and nothing is under way, for as long as was asked for.
import { afterEach, beforeEach, describe, expect, test, vi } from 'vitest';
import { hiddenMs, SuspendWhenHidden } from '../../../src/api/suspend-when-hidden';

class FakePage extends EventTarget {
  visibilityState: DocumentVisibilityState = 'visible';

  show(state: DocumentVisibilityState): void {
    this.visibilityState = state;
    this.dispatchEvent(new Event('visibilitychange'));
  }
}

const MS = 1000;
const page = new FakePage();
let engine: { busy: boolean; suspend: ReturnType<typeof vi.fn<() => Promise<void>>> };
let watcher: SuspendWhenHidden;

beforeEach(() => {
  vi.useFakeTimers();
  page.visibilityState = 'visible';
  engine = { busy: false, suspend: vi.fn(async () => {}) };
  watcher = new SuspendWhenHidden(engine, MS, page);
});
afterEach(() => {
  watcher.stop();
  vi.useRealTimers();
});

describe('an engine is suspended', () => {
  test('once its page has been hidden for the time, and not before', () => {
    vi.advanceTimersByTime(10 * MS);
    page.show('hidden');
    vi.advanceTimersByTime(MS - 1);
    expect(engine.suspend).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(engine.suspend).toHaveBeenCalledOnce();
    vi.advanceTimersByTime(10 * MS);
    expect(engine.suspend).toHaveBeenCalledOnce();
  });

  test('with the time counted from the end of what was under way', () => {
    page.show('hidden');
    engine.busy = true;
    watcher.check();
    vi.advanceTimersByTime(10 * MS);
    engine.busy = false;
    watcher.check();
    vi.advanceTimersByTime(MS - 1);
    expect(engine.suspend).not.toHaveBeenCalled();
    vi.advanceTimersByTime(1);
    expect(engine.suspend).toHaveBeenCalledOnce();
  });

  test('that was made while the page was hidden already', () => {
    page.show('hidden');
    const suspend = vi.fn(async () => {});
    const late = new SuspendWhenHidden({ busy: false, suspend }, MS, page);
    vi.advanceTimersByTime(MS);
    expect(suspend).toHaveBeenCalledOnce();
    late.stop();
  });
});

describe('an engine is not suspended', () => {
  test('whose page is seen again in time', () => {
    page.show('hidden');
    vi.advanceTimersByTime(MS - 1);
    page.show('visible');
    vi.advanceTimersByTime(10 * MS);
    expect(engine.suspend).not.toHaveBeenCalled();
  });

  test('that was disposed of', () => {
    page.show('hidden');
    watcher.stop();
    page.show('hidden');
    vi.advanceTimersByTime(10 * MS);
    expect(engine.suspend).not.toHaveBeenCalled();
  });
});

describe('the option', () => {
  test.each([
    [undefined, undefined],
    [false, undefined],
    [true, 60_000],
    [0, 0],
    [5000, 5000],
  ])('%s means %s', (option, ms) => expect(hiddenMs(option)).toBe(ms));
});
