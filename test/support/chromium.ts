// Launches Chromium with WebGPU on SwiftShader, headless, and silent towards the network.
import { chromium, type Browser } from 'playwright';
import { findChromium } from './machine.mjs';

/** What Playwright takes for waiting as long as it takes: the watchdog has the limits. */
export const NO_TIMEOUT = 0;

const ARGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
];

/** Why tests in Chromium cannot run here; undefined if they can. */
export function chromiumUnavailable(): string | undefined {
  return findChromium() ? undefined : 'no Chromium found; install one, or set CHROMIUM_PATH';
}

/** A headless Chromium, as Playwright gives it. */
export async function launchChromium(args: readonly string[] = []): Promise<Browser> {
  const executablePath = findChromium();
  if (!executablePath) throw new Error(chromiumUnavailable());
  return chromium.launch({ executablePath, args: [...ARGS, ...args], timeout: NO_TIMEOUT });
}
