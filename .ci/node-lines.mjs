// `npm run test:node-lines`: the quick unit tests and an engine on a GPU under the lines of Node that are supported beside the
// one that runs everything. Their binaries are packages of npm's registry, which are fetched for the purpose.
import { appendFileSync, existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, exit, versions } from 'node:process';
import { ensureDependencies, npm, requireNode } from './prepare.mjs';

/** The newest of each line when this was written. */
const LINES = ['20.20.2', '22.23.3', '24.21.0'];

/** What differs between the lines most: JavaScript's own library, and Dawn, a native module. */
const FILES = ['test/unit', 'test/gpu/smoke.test.ts', 'test/gpu/session/answers.one-driver.test.ts'];

/** Runs the tests under one version: the exit code, and their line `N passed, N failed, N skipped`. */
async function testUnder(version, summary) {
  env.TERNION_SUMMARY = summary;
  const command = `node .ci/test.mjs --quick ${FILES.join(' ')}`;
  const code = await npm('exec', '--yes', `--package=node@${version}`, '--call', command);
  // Without tests there is no line: the binary could not be fetched, or Vitest could not be started.
  const line = existsSync(summary) ? readFileSync(summary, 'utf8').trim() : '0 passed, 1 failed, 0 skipped';
  return { version, code, line };
}

requireNode();
await ensureDependencies();
const everything = env.TERNION_SUMMARY;
const folder = mkdtempSync(join(tmpdir(), 'ternion-node-lines-'));
const major = versions.node.split('.')[0];
const results = [];
for (const version of LINES.filter((line) => !line.startsWith(`${major}.`))) {
  console.log(`\nNode ${version}:`);
  results.push(await testUnder(version, join(folder, version)));
}
rmSync(folder, { recursive: true });
console.log('');
for (const { version, line, code } of results) {
  console.log(`Node ${version}: ${line}${code === 0 ? '' : ` (exit code ${code})`}`);
  if (everything) appendFileSync(everything, `${line}\n`);
}
exit(results.every(({ code }) => code === 0) ? 0 : 1);
