// A driver that miscompiles kernels: what is wrong is never run, and is named.
import { readFile } from 'node:fs/promises';
import { describe, expect, it } from 'vitest';
import type { PipelineSpec } from '../../src/gpu/context';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import { storeInMemory } from '../../src/gpu/tuning-memory';
import { collect } from '../support/collect';
import { shareContext } from '../support/engine';
import { oneFile } from '../support/model-files';

const TINY = 'public/models/ternion-tiny-i2_s.gguf';

/** Of the matrix kernel for one token the variant with two blocks, which is the first one on SwiftShader. */
function isFirstOfDecode({ shader, constants }: Pick<PipelineSpec, 'shader' | 'constants'>): boolean {
  return shader === 'ternary_matmul' && constants?.['BLOCKS'] === 2 && constants['TOKENS'] === 1;
}

describe('a driver that miscompiles', () => {
  /** Loads with what is stored by kernels that are to be wrong compiled into something else. */
  async function loadSabotaged(
    isWrong: (spec: PipelineSpec) => boolean,
    options: EngineOptions = {},
  ): Promise<LocalEngine> {
    const gpu = await shareContext();
    const compile = gpu.pipeline.bind(gpu);
    gpu.pipeline = (spec) =>
      compile(
        isWrong(spec)
          ? { ...spec, conditions: { ...spec.conditions, add: !spec.conditions?.['add'] } }
          : spec,
      );
    try {
      return await LocalEngine.load(gpu, oneFile(await readFile(TINY)), options);
    } catch (error) {
      expect(gpu.bytes).toBe(0);
      throw error;
    }
  }

  it('costs a variant, not an answer: it is rejected and named', async () => {
    const engine = await loadSabotaged(isFirstOfDecode);
    expect(engine.info.kernels.rejected.join()).toContain('"blocks":2,"tokens":1');
    expect(JSON.stringify(engine.info.kernels.chosen)).not.toContain('"blocks\\":2,\\"tokens\\":1,');
    expect((await collect(engine.createSession().send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
    await engine.dispose();
  });

  it('is not believed on the next load either, which checks nothing again', async () => {
    const options = { tuning: false, tuningStore: storeInMemory() };
    const first = await loadSabotaged(isFirstOfDecode, options);
    const { rejected, chosen } = first.info.kernels;
    expect(rejected.join()).toContain('"blocks":2,"tokens":1');
    await first.dispose();
    const checked: string[] = [];
    const second = await loadSabotaged(({ shader, constants }) => {
      if (isFirstOfDecode({ shader, constants })) checked.push(shader);
      return false;
    }, options);
    expect(second.info.kernels).toEqual({ rejected, chosen });
    expect(checked).toEqual([]);
    expect((await collect(second.createSession().send('Spell planet.'))).text).toBe('p-l-a-n-e-t');
    await second.dispose();
  });

  it('fails the load where no variant is right, and leaves nothing on the GPU', async () => {
    const load = loadSabotaged((spec) => spec.shader === 'ternary_matmul');
    await expect(load).rejects.toMatchObject({ code: 'kernel-check-failed' });
  });
});
