// Runs Vitest with a limit for the whole run: the watchdog in it looks after test files, and this after Vitest itself.
import { appendFileSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { env, execPath } from 'node:process';
import { clearTimeout, setTimeout } from 'node:timers';
import { killTree, nativeStacks } from '../test/support/watchdog/processes.mjs';
import { ROOT, start } from './prepare.mjs';

/** Of a whole run, seconds. .ci/run gives a little more, for what comes before and after. */
const RUN_LIMIT = 40 * 60;

/**
 * Runs `vitest ARGS`; resolves to its exit code. `limit`, in seconds, is for the whole run, 0 for none: when it is over,
 * what was running is printed and killed, and the code is 124. When `signal` fires, all is killed without a word.
 */
export async function runVitest(args, { limit = RUN_LIMIT, signal } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'ternion-tests-'));
  const { child, ended } = start(execPath, [join(ROOT, 'node_modules/vitest/vitest.mjs'), ...args], {
    env: { ...env, TERNION_PROGRESS_FOLDER: folder },
  });
  const stop = () => killTree(child.pid);
  signal?.addEventListener('abort', stop);
  let over = false;
  const giveUp = async () => {
    over = true;
    console.error(`\nThe tests did not end within ${limit} s. What was running:\n${running(folder)}`);
    console.error(`Vitest itself (process ${child.pid}):\n${await nativeStacks(child.pid)}`);
    killTree(child.pid);
  };
  const timer = limit > 0 ? setTimeout(giveUp, limit * 1000) : undefined;
  const code = await ended;
  signal?.removeEventListener('abort', stop);
  clearTimeout(timer);
  rmSync(folder, { recursive: true, force: true });
  if (!over) return code;
  const line = '0 passed, 1 failed, 0 skipped';
  if (env.TERNION_SUMMARY) appendFileSync(env.TERNION_SUMMARY, `${line}\n`);
  console.log(line);
  return 124;
}

/** What each process of a test file was doing, as test/support/watchdog/progress.ts has written it down. */
function running(folder) {
  const lines = readdirSync(folder, { withFileTypes: true })
    .filter((entry) => entry.isFile())
    .flatMap(({ name }) => {
      try {
        const { pid, file, doing } = JSON.parse(readFileSync(join(folder, name), 'utf8'));
        return [`  ${file} in ${doing} (process ${pid})`];
      } catch {
        // It was being written.
        return [];
      }
    });
  return lines.join('\n') || '  no test file';
}
