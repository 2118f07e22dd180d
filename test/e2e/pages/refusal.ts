// What goes wrong in a page, as JSON for the tests.
import { TernionError } from '../../../src/index';

/** What went wrong. */
export interface Refusal {
  isTernionError: boolean;
  code: string | undefined;
  message: string;
}

/** What `run` is refused with; undefined if it is not. */
export async function refusal(run: () => Promise<unknown>): Promise<Refusal | undefined> {
  try {
    await run();
    return undefined;
  } catch (error) {
    return {
      isTernionError: error instanceof TernionError,
      code: error instanceof TernionError ? error.code : undefined,
      message: String(error),
    };
  }
}
