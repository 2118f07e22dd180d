// Launches Chromium with WebGPU on SwiftShader, headless, and silent towards the network.
import { chromium, type Browser } from 'playwright';
import { CHROMIUM_ARGS, findChromium } from './machine.mjs';

/** What Playwright takes for waiting as long as it takes: the watchdog has the limits. */
export const NO_TIMEOUT = 0;

/** Why tests in Chromium cannot run here; undefined if they can. */
export function chromiumUnavailable(): string | undefined {
  return findChromium() ? undefined : 'no Chromium found; install one, or set CHROMIUM_PATH';
}

/** A headless Chromium, as Playwright gives it. */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(chromiumUnavailable());
  return chromium.launch({ executablePath, args: [...CHROMIUM_ARGS, ...args], timeout: NO_TIMEOUT });
}
