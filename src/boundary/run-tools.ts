// Lets a model use tools: what it calls is executed, it is told the results, and answers again.

import type { RunOptions, RunResult, Session } from '../engine/types';
import { TernionError } from '../errors';

/** See `Session.run`. */
export function runTools(session: Session, text: string, options: RunOptions): Promise<RunResult> {
  void [session, text, options];
  return Promise.reject(new TernionError('unsupported-feature', 'Tools cannot be run yet.'));
}
