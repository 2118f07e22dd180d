// Offers planning to the tests, and loading, to compare.
import { listModels, loadModel, planModel, type PlanOptions, type TernionError } from '../../../src/index';

const codeOf = (error: unknown): string => (error as TernionError).code;

Object.assign(globalThis, {
  plan: (url: string, options?: PlanOptions) => planModel(url, options),
  planBytes: (bytes: number[]) => planModel(Uint8Array.from(bytes)),
  refusedPlan: (url: string) => planModel(url).catch(codeOf),
  abortedPlan: (url: string) => planModel(url, { signal: AbortSignal.abort() }).catch(codeOf),
  /** Loads; resolves to what the engine says about itself, or to what went wrong. */
  async load(url: string, options?: PlanOptions) {
    try {
      await using engine = await loadModel(url, options);
      return engine.info;
    } catch (error) {
      const { code, message } = error as TernionError;
      return { code, message };
    }
  },
  listModels,
});
