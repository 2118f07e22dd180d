// Puts the boundary in front of an engine that was loaded without it, for tests of what stands above both.
import { anyProcessor } from '../../src/boundary/answer-shapes';
import { CheckedSession } from '../../src/boundary/checked-engine';
import { chatTemplate } from '../../src/boundary/in-thread';
import type { LocalEngine } from '../../src/engine/engine';
import type { EngineHost } from '../../src/engine/engine-host';
import type { Engine } from '../../src/engine/types';

/** What surfaces use of an engine. */
export function checked(
  engine: Pick<LocalEngine, 'info' | 'tokenize' | 'detokenize' | 'createSession'> | EngineHost,
): Pick<Engine, 'info' | 'createSession' | 'tokenize' | 'detokenize'> {
  return {
    info: engine.info,
    tokenize: (...given) => engine.tokenize(...given),
    detokenize: (...given) => engine.detokenize(...given),
    createSession: () =>
      new CheckedSession(engine.createSession(), engine.info, {
        chatTemplate,
        logitsProcessor: anyProcessor,
      }),
  };
}
