// The engine for tests of all that is around it: its kernels are those that compile soonest, not those that run fastest.
import type { Variants } from '../../../src/inference/variants';
import { WorkerEndpoint } from '../../../src/worker/endpoint';

const matmul = { blocks: 2, tokens: 1, split: 1, products: 'pairs', broadcast: false } as const;

/**
 * On SwiftShader a load compiles for four seconds, with these for two (of the processor's time, measured under Node). Prompts have the kernels of
 * answers, which so are compiled once.
 */
const VARIANTS: Partial<Variants> = {
  decodeMatmul: matmul,
  prefillMatmul: matmul,
  attention: { kind: 'workgroup', threads: 4, tile: 32, tokens: 1, split: 64 },
};

export class QuickEndpoint extends WorkerEndpoint {
  override load(...[request, source, options, ...callbacks]: Parameters<WorkerEndpoint['load']>) {
    const quick = { ...options, variants: VARIANTS, tuning: false };
    return super.load(request, source, quick, ...callbacks);
  }
}
