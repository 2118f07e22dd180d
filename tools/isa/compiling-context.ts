// A GPU context that compiles one pipeline at a time, tells when it begins and ends, and remembers what each was made for.

import type { Dispatch, PipelineSpec } from '../../src/gpu/context';
import { GpuContext } from '../../src/gpu/context';
import type { Capabilities } from '../../src/gpu/capabilities';

/** Told of each compilation. Between two calls of an id the driver prints what it has to say of that pipeline. */
export interface CompileListener {
  onBegin(id: number): void;
  onEnd(id: number): void;
}

/** A dispatch that was made, and the number of its pipeline. */
export interface MadeDispatch {
  dispatch: Dispatch;
  id: number;
}

export class CompilingContext extends GpuContext {
  /** What each pipeline is compiled from, by its number. */
  readonly specs: PipelineSpec[] = [];
  readonly #pipelines = new Map<string, { id: number; compiled: Promise<GPUComputePipeline> }>();
  readonly #made: MadeDispatch[] = [];
  #last: Promise<unknown> = Promise.resolve();

  constructor(
    device: GPUDevice,
    capabilities: Capabilities,
    private readonly listener: CompileListener,
  ) {
    super(device, capabilities);
  }

  override pipeline(spec: PipelineSpec): Promise<GPUComputePipeline> {
    return this.#entry(spec).compiled;
  }

  override async dispatch(...args: Parameters<GpuContext['dispatch']>): Promise<Dispatch> {
    const dispatch = await super.dispatch(...args);
    this.#made.push({ dispatch, id: this.#entry(args[1]).id });
    return dispatch;
  }

  /** What was made since the last call. */
  takeMade(): MadeDispatch[] {
    return this.#made.splice(0);
  }

  #entry(spec: PipelineSpec): { id: number; compiled: Promise<GPUComputePipeline> } {
    const key = JSON.stringify(spec);
    let entry = this.#pipelines.get(key);
    if (!entry) {
      const id = this.specs.push(spec) - 1;
      const compiled = this.#last.then(async () => {
        this.listener.onBegin(id);
        const pipeline = await super.pipeline(spec);
        this.listener.onEnd(id);
        return pipeline;
      });
      this.#last = compiled.catch(() => {});
      entry = { id, compiled };
      this.#pipelines.set(key, entry);
    }
    return entry;
  }
}
