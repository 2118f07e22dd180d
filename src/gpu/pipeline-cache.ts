// What was compiled on one device. Compiling is most of a load, and models of one kind need the same kernels.

import { TernionError } from '../errors';
import { shaderText } from './shader';
import type { ShaderConditions, ShaderConstants } from './shader-expansion';
import { quoteLines, type ShaderLog } from './shader-log';

/** A shader and the values that make one variant of it. */
export interface PipelineSpec {
  shader: string;
  constants?: ShaderConstants;
  conditions?: ShaderConditions;
}

/** Pipelines of one device, by what they were made of. */
export class PipelineCache {
  readonly #pipelines = new Map<string, Promise<GPUComputePipeline>>();
  /** Keys that were asked for since the last call of `renew`. */
  #used = new Set<string>();

  constructor(private readonly device: GPUDevice) {}

  /**
   * The compiled pipeline, made once; `log` sees it if it is made now. Rejects with `internal` if it does not compile, and is
   * tried again the next time.
   */
  get(spec: PipelineSpec, log?: ShaderLog): Promise<GPUComputePipeline> {
    const key = JSON.stringify(spec);
    this.#used.add(key);
    let pipeline = this.#pipelines.get(key);
    if (!pipeline) {
      pipeline = this.#compile(spec, log);
      this.#pipelines.set(key, pipeline);
      pipeline.catch(() => this.#pipelines.delete(key));
    }
    return pipeline;
  }

  /**
   * Says that another model begins. What was not asked for since the last time goes: so there is what the last model needed,
   * and never what all models needed that were ever here.
   */
  renew(): void {
    for (const key of this.#pipelines.keys()) if (!this.#used.has(key)) this.#pipelines.delete(key);
    this.#used = new Set();
  }

  async #compile(
    { shader, constants = {}, conditions = {} }: PipelineSpec,
    log: ShaderLog | undefined,
  ): Promise<GPUComputePipeline> {
    const code = shaderText(shader, constants, conditions);
    log?.(shader, code, { constants, conditions });
    // The module's own error is caught here: what is wrong rejects the pipeline, and is told from there.
    this.device.pushErrorScope('validation');
    const module = this.device.createShaderModule({ label: shader, code });
    const compute = { module, entryPoint: 'main' };
    const pipeline = this.device.createComputePipelineAsync({ label: shader, layout: 'auto', compute });
    void this.device.popErrorScope().catch(() => {});
    try {
      return await pipeline;
    } catch (error) {
      const { messages } = await module.getCompilationInfo();
      const details = messages.map((each) => quoteLines(code, each)).join('\n');
      const message = `The kernel ${shader} does not compile on this adapter: ${details || (error as Error).message}`;
      throw new TernionError('internal', message, { cause: error });
    }
  }
}
