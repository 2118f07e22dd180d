// `npm test`: installs what is missing, then format, lint, types, and all tests. With arguments only Vitest, with these.
import { existsSync } from 'node:fs';
import process, { argv, env, exit, platform } from 'node:process';
import { availableDrivers, findChromium, findFirefox } from '../test/support/machine.mjs';
import { ensureDependencies, fail, npmQuietly, requireNode, run } from './prepare.mjs';
import { runVitest } from './vitest.mjs';

const CHROMIUM_MISSING =
  'The tests need Chromium or Chrome, and none was found. Install one (on Debian and Ubuntu: apt-get install chromium; ' +
  'anywhere: npx playwright install chromium), or set CHROMIUM_PATH.';

/** Tests of one kind need no browser. */
function needBrowser(files) {
  return files.length === 0 || !files.every((file) => /^(test\/(unit|gpu)|src)\b/.test(file));
}

/** Where it can be done without asking anybody: on Debian and Ubuntu, as root. */
async function installChromium() {
  if (platform !== 'linux' || process.getuid?.() !== 0 || !existsSync('/usr/bin/apt-get')) return;
  console.log('Installing Chromium (apt-get install chromium libvulkan1) …');
  const options = { env: { ...env, DEBIAN_FRONTEND: 'noninteractive' } };
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

/** Takes `flag` out of `args`; whether it was there. */
function take(args, flag) {
  const at = args.indexOf(flag);
  if (at >= 0) args.splice(at, 1);
  return at >= 0;
}

/** All tests, and beside them, while some of them wait, format, lint and types: what is wrong with these ends the tests. */
async function testAndCheck() {
  const wrong = new AbortController();
  const checking = npmQuietly('run', 'check').then(({ code, output }) => {
    if (code !== 0) wrong.abort();
    console.log(code === 0 ? 'Format, lint and types are right.' : output);
    return code;
  });
  const tested = await runVitest(['run'], { signal: wrong.signal });
  return (await checking) || tested;
}

requireNode();
await ensureDependencies();

const args = argv.slice(2);
/** Few enough tests for while one works: see vitest.config.ts. */
const quick = take(args, '--quick');
/** Runs again what changed, on one driver, until it is stopped. */
const watch = take(args, '--watch');
if (quick) env.TERNION_QUICK = '1';
if (quick) env.TERNION_BROWSER ??= 'chromium';
if (quick || watch) env.TERNION_VULKAN ??= availableDrivers()[0];

const paths = args.filter((arg) => !arg.startsWith('-')).map((arg) => arg.replaceAll('\\', '/'));
if (needBrowser(paths)) {
  await ensureChromium();
  console.log(`Chromium: ${findChromium()}`);
  console.log(`Firefox: ${findFirefox() ?? 'none, its tests are skipped'}`);
}
console.log(`GPU in Node: ${env.TERNION_VULKAN ?? availableDrivers().join(', ')}`);
if (watch) exit(await runVitest(['watch', ...args], { limit: 0 }));
if (args.length > 0 || quick) exit(await runVitest(['run', ...args]));
exit(await testAndCheck());
