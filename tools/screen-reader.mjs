// `node tools/screen-reader.mjs`: what a screen reader says of the built demo (npm run build:demo). Orca reads Firefox on a screen that
// nobody sees, keys are pressed as a person presses them, and each is printed with what was said. It is tried by hand: a test would
// depend on when Orca speaks. Under Debian it takes the packages orca, at-spi2-core, dbus-x11, xvfb, openbox and xdotool, beside Firefox
// and Mesa's Vulkan drivers; no sound is needed, Orca's own log says what it would say.

import { execFileSync, spawn } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import process, { argv, env, execPath } from 'node:process';
import { setTimeout } from 'node:timers/promises';
import { launch } from 'puppeteer-core';
import { preview } from 'vite';
import { driverManifest, findFirefox } from '../test/support/machine.mjs';

const DISPLAY = ':97';
const WITHIN_BUS = '--within-bus';
/** What Orca takes at most to say what it has to after a key, ms. */
const SPEAKING_MS = 2500;
/** What a model takes on a program on the CPU, at most, ms. */
const ANSWERING_MS = 20_000;

const programs = [];

/** Starts a program that ends with this one. */
function started(command, args, options = {}) {
  const program = spawn(command, args, { stdio: 'ignore', ...options });
  programs.push(program);
}

/** Ends them: Node would wait for them. */
async function endPrograms() {
  for (const program of programs) program.kill();
  // Orca writes the rest of its log.
  await setTimeout(2000);
}

/** The time of day as Orca's log has it. */
function timeOf(date) {
  const part = (number, digits = 2) => String(number).padStart(digits, '0');
  return `${part(date.getHours())}:${part(date.getMinutes())}:${part(date.getSeconds())}.${part(date.getMilliseconds(), 3)}`;
}

/** Prints each step with what Orca said until the next one. */
function report(steps, log) {
  const said = [...readFileSync(log, 'utf8').matchAll(/^(\S+) - SPEECH OUTPUT: (?:'(.*)'|"(.*)")\{/gm)].map(
    ([, at, single, double]) => ({ at, text: (single ?? double).trim() }),
  );
  for (const [i, { at, what }] of steps.entries()) {
    console.log(`\n${what}`);
    const until = steps[i + 1]?.at ?? '~';
    for (const { at: when, text } of said) if (when >= at && when < until) console.log(`    ${text}`);
  }
}

/** The screen, and a bus of its own for what programs say of their windows; the rest happens in there. */
async function aroundBus() {
  started('Xvfb', [DISPLAY, '-screen', '0', '1280x1000x24']);
  await setTimeout(1000);
  const within = spawn('dbus-run-session', ['--', execPath, argv[1], WITHIN_BUS], {
    stdio: 'inherit',
    env: { ...env, DISPLAY },
  });
  process.exitCode = await new Promise((resolve) => within.on('exit', resolve));
  await endPrograms();
}

async function withinBus() {
  const home = mkdtempSync(join(tmpdir(), 'ternion-orca-'));
  const run = join(home, 'run');
  mkdirSync(run, { mode: 0o700 });
  const accessible = { GNOME_ACCESSIBILITY: '1', ACCESSIBILITY_ENABLED: '1', GTK_MODULES: 'gail:atk-bridge' };
  const around = { ...env, ...accessible, HOME: home, XDG_RUNTIME_DIR: run };
  const log = join(home, 'orca.log');
  started('openbox', [], { env: around });
  started('/usr/libexec/at-spi-bus-launcher', ['--launch-immediately'], { env: around });
  await setTimeout(2000);
  started('orca', [`--debug-file=${log}`, '--replace'], { env: around });
  await setTimeout(6000);
  const server = await preview({ preview: { port: 0, host: '127.0.0.1' } });
  const browser = await launch({
    browser: 'firefox',
    executablePath: findFirefox(),
    headless: false,
    timeout: 0,
    protocolTimeout: 0,
    extraPrefsFirefox: {
      'dom.webgpu.enabled': true,
      'dom.webgpu.workers.enabled': true,
      'gfx.webgpu.ignore-blocklist': true,
      // Firefox tells of a page only whom it knows to listen.
      'accessibility.force_disabled': -1,
    },
    env: { ...around, VK_DRIVER_FILES: driverManifest('lavapipe') },
  });
  const steps = [];
  try {
    const [page] = await browser.pages();
    await page.setViewport(null);
    await read(page, server.resolvedUrls.local[0], steps);
  } finally {
    await browser.close();
    await server.close();
    await endPrograms();
    report(steps, log);
    rmSync(home, { recursive: true, force: true, maxRetries: 5 });
  }
}

/** Goes through the demo, and notes when each step began. */
async function read(page, url, steps) {
  const step = async (what, run, ms = SPEAKING_MS) => {
    steps.push({ what, at: timeOf(new Date()) });
    await run();
    await setTimeout(ms);
  };
  const press = (key, ms) =>
    step(`[${key}]`, () => execFileSync('xdotool', ['key', '--clearmodifiers', key]), ms);
  await step('The page is opened', async () => {
    await page.goto(url);
    const isReady = () =>
      [...globalThis.document.querySelectorAll('button')].some(
        (each) => each.id === 'send' && !each.disabled,
      );
    await page.waitForFunction(isReady, { timeout: 0 });
  });
  await step('A click on the message box', async () => {
    // Where the page is on the screen is known to Firefox alone.
    const [x, y] = await page.evaluate(() => {
      const box = globalThis.document.querySelector('#message').getBoundingClientRect();
      const { mozInnerScreenX: left, mozInnerScreenY: top } = globalThis;
      return [left + box.x + box.width / 2, top + box.y + box.height / 2];
    });
    execFileSync('xdotool', ['mousemove', String(Math.round(x)), String(Math.round(y)), 'click', '1']);
  });
  await step('“Who are you?” is written', () =>
    execFileSync('xdotool', ['type', '--delay', '60', 'Who are you?']),
  );
  await press('Return', ANSWERING_MS);
  // Backwards over the answer to the settings, which are opened, gone through and closed.
  for (let i = 0; i < 7; i++) await press('shift+Tab');
  await press('Return');
  for (let i = 0; i < 3; i++) await press('Tab');
  await press('Escape');
  // On to the models.
  await press('shift+Tab');
  await press('Return');
  for (let i = 0; i < 3; i++) await press('Tab');
  await press('Escape');
}

await (argv.includes(WITHIN_BUS) ? withinBus() : aroundBus());
