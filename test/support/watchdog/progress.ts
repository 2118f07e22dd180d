// Runs in every test file before anything else of it: writes down what the process is about to do, for the watchdog.
import { writeFileSync } from 'node:fs';
import { relative } from 'node:path';
import { afterAll, afterEach, beforeAll, beforeEach, expect } from 'vitest';

const path = process.env.TERNION_PROGRESS;
const file = relative(process.cwd(), expect.getState().testPath ?? '');
let step = 0;

/** Written at once: a message to the parent would wait until the process returns to its event loop, which may never be. */
function note(doing: string): void {
  if (path) writeFileSync(path, JSON.stringify({ pid: process.pid, file, step: ++step, doing }));
}

note('loading the file');
beforeAll(() => note('before the first test'));
beforeEach(({ task }) => note(`the test "${task.fullTestName}"`));
// Hooks of a setup file run last here.
afterEach(({ task }) => note(`after the test "${task.fullTestName}"`));
afterAll(() => note('after the last test'));
