// Ends every run with the line `N passed, N failed, N skipped`, after the names of the files that needed the watchdog.
import { appendFileSync } from 'node:fs';
import type { Reporter, TestModule } from 'vitest/node';
import type { Hang, Watchdog } from './watchdog/watchdog.ts';

const OUTCOMES: Record<Hang['outcome'], string> = {
  rerun: 'what is counted is its second run',
  again: 'it hung twice',
  ending: 'its tests are counted',
  recovered: 'it went on by itself, and its tests are counted',
};

/** Adds the line to the file named by TERNION_SUMMARY, too. */
export class SummaryReporter implements Reporter {
  readonly #watchdog: Watchdog;

  constructor(watchdog: Watchdog) {
    this.#watchdog = watchdog;
  }

  onTestRunEnd(modules: readonly TestModule[], unhandledErrors: readonly unknown[]): void {
    const states = modules.flatMap((module) =>
      [...module.children.allTests()].map((test) => test.result().state),
    );
    const count = (state: string) => states.filter((each) => each === state).length;
    // A file that could not be loaded, a hook that threw, an error nobody caught: none has a test to its name.
    const failedElsewhere =
      modules.flatMap((module) => [module, ...module.children.allSuites()]).flatMap((each) => each.errors())
        .length + unhandledErrors.length;
    // What never came to run is `pending`: after a crash, or with --bail.
    const skipped = count('skipped') + count('pending');
    const line = `${count('passed')} passed, ${count('failed') + failedElsewhere} failed, ${skipped} skipped`;
    if (process.env.TERNION_SUMMARY) appendFileSync(process.env.TERNION_SUMMARY, `${line}\n`);
    const hangs = this.#watchdog.hangs.map(
      ({ project, file, doing, outcome }) => `HUNG: ${file} (${project}) in ${doing}; ${OUTCOMES[outcome]}`,
    );
    // The default reporter writes its own summary in the same turn.
    setImmediate(() => console.log([...hangs, line].join('\n')));
  }
}
