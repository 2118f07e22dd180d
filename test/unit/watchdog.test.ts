// The watchdog itself, on files that hang on purpose (test/support/watchdog/hanging): it has to find, name and fence them in.
import { execFile } from 'node:child_process';
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { processTree } from '../support/watchdog/processes.mjs';

const RUNNER = fileURLToPath(new URL('../../.ci/vitest.mjs', import.meta.url));
const HANGING = 'test/support/watchdog/hanging';

const folder = mkdtempSync(join(tmpdir(), 'ternion-watchdog-'));
const child = join(folder, 'child');
afterAll(() => rmSync(folder, { recursive: true, force: true }));

/** Runs hanging files as `npm test` would, with limits in seconds; what was printed, its last line, and the exit code. */
function run(
  files: readonly string[],
  { hang, limit }: { hang: number; limit: number },
): Promise<{ output: string; lastLine: string | undefined; code: number }> {
  const args = ['run', '--config', `${HANGING}/vitest.config.ts`, ...files];
  const script = `import { runVitest } from ${JSON.stringify(RUNNER)};
    process.exit(await runVitest(${JSON.stringify(args)}, { limit: ${limit} }));`;
  // Nothing of this run: to the other one it would mean itself.
  const own = Object.entries(process.env).filter(([name]) => !/^(VITEST|TERNION|NODE_OPTIONS)/.test(name));
  const env = { ...Object.fromEntries(own), TERNION_HANG_SECONDS: String(hang), TERNION_HUNG_ONCE: child };
  return new Promise((resolve) => {
    execFile(
      process.execPath,
      ['--input-type=module', '-e', script],
      { env: { ...env, NO_COLOR: '1' }, maxBuffer: 64 << 20 },
      (error, stdout, stderr) =>
        resolve({
          output: stdout + stderr,
          lastLine: stdout.trimEnd().split('\n').at(-1),
          code: Number(error?.code ?? 0),
        }),
    );
  });
}

describe('of three files', () => {
  let result: Awaited<ReturnType<typeof run>>;
  beforeAll(async () => {
    result = await run(['always', 'once', 'never'], { hang: 5, limit: 600 });
  }, 600_000);

  test('one that blocks its process is named, with the test and with stacks, and is run twice', () => {
    const { output, code } = result;
    const hung = `${HANGING}/always.hang.ts (hanging) hangs: no progress for 5 s in the test "never returns"`;
    expect(output.split(hung)).toHaveLength(3);
    expect(output).toContain('always.hang.ts (hanging): it was killed, and is not tried a third time');
    expect(output).toMatch(/HUNG: .*always\.hang\.ts \(hanging\) in the test "never returns"; it hung twice/);
    expect(output).toContain('JavaScript:');
    if (!output.includes('gdb is not installed') && !output.includes('gdb gave no native stacks'))
      expect(output).toMatch(/Thread 1 .*\n(#.*\n)*.*AtomicsWait/);
    expect(code).toBe(1);
  });

  test('one that hangs once is named too, but passes: only its second run counts', () => {
    const { output, lastLine } = result;
    expect(output).toMatch(
      /HUNG: .*once\.hang\.ts .* "returns the second time"; what is counted is its second run/,
    );
    // Two of once, one of never; what always did before it hung may have been told or not.
    expect(lastLine).toMatch(/^[34] passed, 1 failed, [12] skipped$/);
  });

  test('what a killed file had started has ended with it', () => {
    expect(existsSync(child)).toBe(true);
    expect(processTree(Number(readFileSync(child, 'utf8'))).filter(({ state }) => state !== 'Z')).toEqual([]);
  });

  test('one that does not hang is not mentioned', () => {
    expect(result.output).not.toMatch(/HUNG.*never\.hang/);
  });
});

test('a run that is over its limit ends, and says what was running', { timeout: 600_000 }, async () => {
  const { output, code } = await run(['always'], { hang: 0, limit: 10 });
  expect(output).toContain('The tests did not end within 10 s');
  expect(output).toMatch(/always\.hang\.ts in the test "never returns" \(process \d+\)/);
  expect(output).toContain('0 passed, 1 failed, 0 skipped');
  expect(code).toBe(124);
});
