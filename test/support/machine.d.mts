// Types of machine.mjs, which is plain JavaScript so that it runs before anything is installed.

/**
 * What Dawn computes on: `lavapipe` (Mesa) and `swiftshader` (comes with Chromium) are Vulkan drivers for the CPU,
 * `system` is whatever GPU the machine has.
 */
export type Driver = 'lavapipe' | 'swiftshader' | 'system';

/** The path of the Chromium to test with: CHROMIUM_PATH, else an installed one, else Playwright's; or undefined. */
export function findChromium(): string | undefined;

/** What Chromium is started with, so that it has WebGPU on SwiftShader without a screen, and is silent towards the network. */
export const CHROMIUM_ARGS: readonly string[];

/** The path of the Firefox to test with: FIREFOX_PATH, else an installed one; or undefined. */
export function findFirefox(): string | undefined;

/** The manifest by which the Vulkan loader finds a driver that Dawn can use, or undefined. */
export function driverManifest(driver: Exclude<Driver, 'system'>): string | undefined;

/** Drivers that Dawn can use here, the fastest software driver first; `system` only where there is no other. */
export function availableDrivers(): Driver[];
