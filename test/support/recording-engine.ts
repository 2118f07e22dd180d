// Stands behind the boundary in place of an engine, and says what comes through.
import { CheckedEngine } from '../../src/boundary/checked-engine';
import { loadable } from '../../src/boundary/options';
import { fields, optional, text } from '../../src/boundary/read';
import type { CoreEngine, CoreSession, GenerateChunk, ModelInfo } from '../../src/engine/types';

/** What every call of the engine fails with: the arguments that came through. */
export class Through extends Error {
  constructor(readonly given: readonly unknown[]) {
    super('The arguments have come through');
  }
}

/** The limits of the model that is not there. */
export const LIMITS = { vocabularySize: 1536, contextLength: 64 };

/** The boundary of an engine that does nothing but say what it was given. */
export function checkedRecorder(): CheckedEngine {
  const chatTemplate = optional(text());
  return new CheckedEngine(recordingEngine(), { loadOptions: fields(loadable(chatTemplate)), chatTemplate });
}

function recordingEngine(): CoreEngine {
  const answer = (...given: unknown[]): Promise<never> => Promise.reject(new Through(given));
  const stream = (...given: unknown[]): ReadableStream<GenerateChunk> =>
    new ReadableStream({ pull: (controller) => controller.error(new Through(given)) });
  const nothing = (): Promise<void> => Promise.resolve();
  const session: CoreSession = {
    tokenIds: [],
    messages: [],
    generate: stream,
    send: stream,
    complete: answer,
    fork: () => Promise.resolve(session),
    rewind: answer,
    save: answer,
    dispose: nothing,
    [Symbol.asyncDispose]: nothing,
  };
  return {
    info: LIMITS as ModelInfo,
    load: answer,
    tokenize: answer,
    detokenize: answer,
    embed: answer,
    nextLogits: answer,
    profile: answer,
    suspend: nothing,
    resume: nothing,
    createSession: (messages = []) => ({ ...session, messages }),
    restoreSession: answer,
    dispose: nothing,
    [Symbol.asyncDispose]: nothing,
  };
}
