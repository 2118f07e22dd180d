// Launches Firefox with WebGPU, headless: on Mesa's lavapipe under Linux, on the machine's own GPU elsewhere.
import { mkdtemp, rm } from 'node:fs/promises';
import { homedir, tmpdir } from 'node:os';
import { join } from 'node:path';
import { launch, type Browser } from 'puppeteer-core';
import { driverManifest, findFirefox } from './machine.mjs';

const PREFERENCES = {
  'dom.webgpu.enabled': true,
  'dom.webgpu.workers.enabled': true,
  // lavapipe is on the list of adapters that pages do not get.
  'gfx.webgpu.ignore-blocklist': true,
};

/** What Puppeteer takes for waiting as long as it takes: the watchdog has the limits. */
const NO_TIMEOUT = 0;

/** Why tests in Firefox cannot run here; undefined if they can. */
export function firefoxUnavailable(): string | undefined {
  if (!findFirefox()) return 'no Firefox found; install one, or set FIREFOX_PATH';
  if (process.platform === 'linux' && !driverManifest('lavapipe')) {
    return 'no lavapipe found; install the Vulkan drivers of Mesa 24 or later';
  }
  return undefined;
}

/** A Firefox that is running, and what to do when it is no longer wanted. */
export interface RunningFirefox {
  browser: Browser;
  close: () => Promise<void>;
}

/** A headless Firefox, as Puppeteer gives it. Playwright cannot drive one that it has not built itself. */
export async function launchFirefox(): Promise<RunningFirefox> {
  const executablePath = findFirefox();
  const reason = firefoxUnavailable();
  if (!executablePath || reason) throw new Error(reason);
  // A home of its own: Firefox refuses one that belongs to somebody else, as with `sudo`.
  const home = await mkdtemp(join(tmpdir(), 'ternion-firefox-'));
  const browser = await launch({
    browser: 'firefox',
    executablePath,
    headless: true,
    timeout: NO_TIMEOUT,
    protocolTimeout: NO_TIMEOUT,
    extraPrefsFirefox: PREFERENCES,
    env: { ...process.env, ...environment(home) },
  });
  return {
    browser,
    close: async () => {
      await browser.close();
      await rm(home, { recursive: true, force: true, maxRetries: 5 });
    },
  };
}

function environment(home: string): Record<string, string> {
  if (process.platform !== 'linux') return {};
  return {
    HOME: home,
    XDG_RUNTIME_DIR: home,
    VK_DRIVER_FILES: driverManifest('lavapipe') ?? '',
    // What the driver compiled for one Firefox serves the next: it takes many seconds for what a model needs, and hardly one when it has it.
    MESA_SHADER_CACHE_DIR: process.env.MESA_SHADER_CACHE_DIR ?? join(homedir(), '.cache'),
  };
}
