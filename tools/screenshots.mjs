// `node tools/screenshots.mjs`: pictures of the built demo (npm run build:demo first): docs/screenshots, narrow, middling and wide, light
// and dark, and docs/demo.png. It needs Chromium.

import { mkdirSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { chromium } from 'playwright';
import { preview } from 'vite';
import { CHROMIUM_ARGS, findChromium } from '../test/support/machine.mjs';

const ROOT = join(dirname(fileURLToPath(import.meta.url)), '..');
const FOLDER = join(ROOT, 'docs/screenshots');
const SIZES = [
  { width: 320, height: 640 },
  { width: 768, height: 900 },
  { width: 1440, height: 900 },
];
/** The picture of the README. */
const COVER = { width: 1100, height: 900 };
const QUESTIONS = ['My name is Ravi.', 'Tell me a story about a fox named Mia.'];

/** The demo with a short conversation, whose tokens are shown. */
async function talk(page) {
  const send = page.getByRole('button', { name: 'Send' }).and(page.locator(':enabled'));
  await send.waitFor();
  await page.getByRole('button', { name: 'Settings' }).click();
  await page.getByRole('checkbox', { name: 'Show tokens' }).check();
  await page.keyboard.press('Escape');
  for (const [i, question] of QUESTIONS.entries()) {
    await page.getByRole('textbox', { name: 'Message', exact: true }).fill(question);
    await page.keyboard.press('Enter');
    const answer = page.getByRole('article', { name: `Answer ${i + 1}`, exact: true });
    await answer
      .locator('summary')
      .filter({ hasText: /complete/ })
      .waitFor();
  }
}

mkdirSync(FOLDER, { recursive: true });
const server = await preview({
  configFile: false,
  root: join(ROOT, 'demo'),
  build: { outDir: join(ROOT, 'dist/demo') },
  logLevel: 'warn',
  preview: { host: '127.0.0.1', open: false },
});
const browser = await chromium.launch({ executablePath: findChromium(), args: CHROMIUM_ARGS });
try {
  const page = await browser.newPage({ reducedMotion: 'reduce' });
  await page.goto(server.resolvedUrls.local[0]);
  await talk(page);
  const shoot = async (size, colorScheme, path) => {
    await page.setViewportSize(size);
    await page.emulateMedia({ colorScheme });
    await page.evaluate('window.scrollTo({ top: document.documentElement.scrollHeight })');
    await page.screenshot({ path });
  };
  for (const size of SIZES)
    for (const scheme of ['light', 'dark'])
      await shoot(size, scheme, join(FOLDER, `demo-${size.width}-${scheme}.png`));
  await shoot(COVER, 'light', join(ROOT, 'docs/demo.png'));
} finally {
  await browser.close();
  await server.close();
}
