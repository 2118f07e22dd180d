// What this machine has to test with: browsers and Vulkan drivers. Free of dependencies, so that .ci/ can ask before
// anything is installed, and the test configuration without loading Dawn.
import { existsSync, readFileSync, readdirSync, realpathSync } from 'node:fs';
import { homedir } from 'node:os';
import { dirname, join } from 'node:path';
import { env, platform } from 'node:process';

/** Installers on Windows choose between three folders. */
function inProgramFiles(file) {
  return [env.PROGRAMFILES, env['PROGRAMFILES(X86)'], env.LOCALAPPDATA]
    .filter((folder) => folder !== undefined)
    .map((folder) => join(folder, file));
}

/** Where each system's packages and installers put Chromium or Chrome. */
const CHROMIUM = {
  linux: [
    '/usr/bin/chromium',
    '/usr/bin/chromium-browser',
    '/usr/bin/google-chrome',
    '/usr/bin/google-chrome-stable',
    '/opt/google/chrome/chrome',
    '/snap/bin/chromium',
  ],
  darwin: [
    '/Applications/Google Chrome.app/Contents/MacOS/Google Chrome',
    '/Applications/Chromium.app/Contents/MacOS/Chromium',
    join(homedir(), 'Applications/Google Chrome.app/Contents/MacOS/Google Chrome'),
  ],
  win32: [
    ...inProgramFiles('Google/Chrome/Application/chrome.exe'),
    ...inProgramFiles('Chromium/Application/chrome.exe'),
  ],
};

const FIREFOX = {
  linux: ['/usr/bin/firefox', '/usr/bin/firefox-esr', '/snap/bin/firefox'],
  darwin: ['/Applications/Firefox.app/Contents/MacOS/firefox'],
  win32: inProgramFiles('Mozilla Firefox/firefox.exe'),
};

/** Where Playwright keeps the browsers it downloads. */
function playwrightCache() {
  if (env.PLAYWRIGHT_BROWSERS_PATH) return env.PLAYWRIGHT_BROWSERS_PATH;
  if (platform === 'darwin') return join(homedir(), 'Library/Caches/ms-playwright');
  if (platform === 'win32') return join(env.LOCALAPPDATA ?? homedir(), 'ms-playwright');
  return join(env.XDG_CACHE_HOME ?? join(homedir(), '.cache'), 'ms-playwright');
}

/** Folders are called chromium-1234. */
function revision(name) {
  return Number(name.slice('chromium-'.length));
}

/** Browsers of Playwright's cache, the newest first. Its headless shell has no WebGPU and is passed over. */
function fromPlaywright() {
  const cache = playwrightCache();
  if (!existsSync(cache)) return [];
  const inside = [
    'chrome-linux64/chrome',
    'chrome-linux/chrome',
    'chrome-win64/chrome.exe',
    'chrome-win/chrome.exe',
    'chrome-mac/Chromium.app/Contents/MacOS/Chromium',
    'chrome-mac-arm64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
    'chrome-mac-x64/Google Chrome for Testing.app/Contents/MacOS/Google Chrome for Testing',
  ];
  return readdirSync(cache)
    .filter((name) => /^chromium-\d+$/.test(name))
    .sort((a, b) => revision(b) - revision(a))
    .flatMap((name) => inside.map((file) => join(cache, name, file)));
}

/** The path of the Chromium to test with: CHROMIUM_PATH, else an installed one, else Playwright's; or undefined. */
export function findChromium() {
  if (env.CHROMIUM_PATH) return existsSync(env.CHROMIUM_PATH) ? env.CHROMIUM_PATH : undefined;
  return [...(CHROMIUM[platform] ?? []), ...fromPlaywright()].find((path) => existsSync(path));
}

/** What Chromium is started with, so that it has WebGPU on SwiftShader without a screen, and is silent towards the network. */
export const CHROMIUM_ARGS = [
  '--no-sandbox',
  '--enable-unsafe-webgpu',
  '--use-webgpu-adapter=swiftshader',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
  '--disable-quic',
];

/** The path of the Firefox to test with: FIREFOX_PATH, else an installed one; or undefined. */
export function findFirefox() {
  if (env.FIREFOX_PATH) return existsSync(env.FIREFOX_PATH) ? env.FIREFOX_PATH : undefined;
  return (FIREFOX[platform] ?? []).find((path) => existsSync(path));
}

const VULKAN_FOLDERS = ['/usr/share/vulkan/icd.d', '/usr/local/share/vulkan/icd.d', '/etc/vulkan/icd.d'];

/** Manifests of lavapipe. Some systems put the processor into the name (lvp_icd.x86_64.json). */
function lavapipeManifests() {
  return VULKAN_FOLDERS.filter((folder) => existsSync(folder)).flatMap((folder) =>
    readdirSync(folder)
      .filter((name) => /^lvp_icd\..*json$/.test(name))
      .map((name) => join(folder, name)),
  );
}

/**
 * Mesa's manifest names the Vulkan version it was made for. Dawn refuses the lavapipe of Mesa 22 (1.1 in the
 * manifest: it lacks shaderUniformBufferArrayDynamicIndexing), and takes later ones (1.3 and up).
 */
function isRecent(manifest) {
  const { ICD } = JSON.parse(readFileSync(manifest, 'utf8'));
  const [major = 0, minor = 0] = (ICD?.api_version ?? '').split('.').map(Number);
  return major > 1 || (major === 1 && minor >= 3);
}

/** SwiftShader lies beside Chromium; where /usr/bin/chromium is only a script, the packages' folders are known. */
function swiftshaderManifest() {
  const chromium = findChromium();
  const beside = chromium ? [dirname(realpathSync(chromium))] : [];
  return [...beside, '/usr/lib/chromium', '/usr/lib/chromium-browser', '/opt/google/chrome']
    .map((folder) => join(folder, 'vk_swiftshader_icd.json'))
    .find((path) => existsSync(path));
}

/** The manifest by which the Vulkan loader finds a driver that Dawn can use, or undefined. */
export function driverManifest(driver) {
  return driver === 'lavapipe' ? lavapipeManifests().find(isRecent) : swiftshaderManifest();
}

/** Drivers that Dawn can use here, the fastest software driver first; `system` only where there is no other. */
export function availableDrivers() {
  if (platform !== 'linux') return ['system'];
  const found = ['lavapipe', 'swiftshader'].filter((driver) => driverManifest(driver));
  return found.length > 0 ? found : ['system'];
}
