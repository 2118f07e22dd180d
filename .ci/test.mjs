// `npm test`: installs what is missing, then format, lint, types, and all tests. With arguments only Vitest, with these.
import { existsSync } from 'node:fs';
import process, { argv, exit, platform } from 'node:process';
import { availableDrivers, findChromium, findFirefox } from '../test/support/machine.mjs';
import { ensureDependencies, fail, npm, requireNode, run, runInstalled } from './prepare.mjs';

const CHROMIUM_MISSING =
  'The tests need Chromium or Chrome, and none was found. Install one (on Debian and Ubuntu: apt-get install chromium; ' +
  'anywhere: npx playwright-core install chromium), or set CHROMIUM_PATH.';

/** Unit tests alone need no browser. */
function needBrowser(args) {
  return args.length === 0 || !args.every((arg) => /^(test\/unit|src)\b/.test(arg.replaceAll('\\', '/')));
}

/** Where it can be done without asking anybody: on Debian and Ubuntu, as root. */
async function installChromium() {
  if (platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  console.log('Installing Chromium (apt-get install chromium libvulkan1) …');
  const options = { env: { ...process.env, DEBIAN_FRONTEND: 'noninteractive' } };
  await run('apt-get', ['update', '-qq'], options);
  await run(
    'apt-get',
    ['install', '-y', '-qq', '--no-install-recommends', 'chromium', 'libvulkan1'],
    options,
  );
}

async function ensureChromium() {
  if (!findChromium()) await installChromium();
  if (!findChromium()) fail(CHROMIUM_MISSING);
}

requireNode();
await ensureDependencies();

const args = argv.slice(2);
if (needBrowser(args)) {
  await ensureChromium();
  console.log(`Chromium: ${findChromium()}`);
  console.log(`Firefox: ${findFirefox() ?? 'none, its tests are skipped'}`);
  console.log(`GPU in Node: ${availableDrivers().join(', ')}`);
}
if (args.length === 0) {
  const code = await npm('run', 'check');
  if (code !== 0) exit(code);
}
exit(await runInstalled('vitest/vitest.mjs', ['run', ...args]));
