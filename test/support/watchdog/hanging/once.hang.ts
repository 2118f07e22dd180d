// Waits for what never happens, with a child process running, the first time; has nothing to complain about the second time.
import { spawn } from 'node:child_process';
import { existsSync, writeFileSync } from 'node:fs';
import { expect, test } from 'vitest';

const mark = process.env.TERNION_HUNG_ONCE!;

test('comes before', () => {
  expect(1).toBe(1);
});

test('returns the second time', async () => {
  if (existsSync(mark)) return;
  // In a process group of its own, as browsers are.
  const child = spawn(process.execPath, ['-e', 'setInterval(() => {}, 1000)'], { detached: true });
  writeFileSync(mark, String(child.pid));
  await new Promise(() => {});
});
