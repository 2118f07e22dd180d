// What the demo says of a plan, of the rate of a download, and of one that is paused.
import { describe, expect, it } from 'vitest';
import { pausedText, progressText } from '../../../demo/load-view';
import { verdictOf } from '../../../demo/gallery/verdict';
import type { ModelPlan, PlannedModel } from '../../../src/index';

const MODEL: PlannedModel = {
  format: 'gguf',
  architecture: 'llama',
  name: 'Some model',
  trainedContextLength: 8192,
  wantedContextLength: 4096,
  contextLength: 4096,
  kvCacheFormat: 'f16',
  gpuBytes: { layers: 0, embedding: 0, head: 0, kvCache: 0, work: 0, total: 1.9e9 },
};

const PLAN: ModelPlan = {
  verdict: 'fits',
  reason: undefined,
  code: undefined,
  download: { total: 1.2e9, missing: 1.2e9, cached: true, uncachedReason: undefined },
  storage: undefined,
  limits: { maxBufferSize: 1, maxStorageBufferBindingSize: 1, memoryBudget: undefined },
  model: MODEL,
};

describe('a verdict', () => {
  it('says with which context a model fits, what it takes, and what there is to download', () => {
    expect(verdictOf(PLAN)).toEqual({
      kind: 'fits',
      text: 'Fits with a context of 4,096 tokens. It takes 1.9 GB on the GPU. 1.2 GB to download.',
    });
  });

  it('counts what is here already, and says why nothing would be kept', () => {
    const some = { ...PLAN.download, missing: 2e8 };
    expect(verdictOf({ ...PLAN, download: some }).text).toContain('200 MB of 1.2 GB to download.');
    const all = { ...PLAN.download, missing: 0 };
    expect(verdictOf({ ...PLAN, download: all }).text).toContain('Nothing is left to download.');
    const unkept = { ...PLAN.download, cached: false, uncachedReason: 'the storage is full' };
    expect(verdictOf({ ...PLAN, download: unkept }).text).toContain('not be kept here: the storage is full.');
  });

  it('says what speaks against a longer context', () => {
    const reason = 'With a context of 4096 tokens, it takes too much.';
    const model = { ...MODEL, contextLength: 2048 };
    const { kind, text } = verdictOf({ ...PLAN, verdict: 'fits-with-less-context', reason, model });
    expect(kind).toBe('less');
    expect(text).toMatch(/^Fits with a context of 2,048 tokens\..*takes too much\.$/);
  });

  it('says what a model needs that does not fit, and what is not supported', () => {
    expect(verdictOf({ ...PLAN, verdict: 'does-not-fit', reason: 'Too much.' })).toEqual({
      kind: 'not',
      text: 'Does not fit this device: it needs 1.9 GB on the GPU. Too much.',
    });
    const plan: ModelPlan = { ...PLAN, verdict: 'not-supported', reason: 'It is a poem.', model: undefined };
    expect(verdictOf(plan)).toEqual({ kind: 'not', text: 'Not supported. It is a poem.' });
  });
});

describe('a download', () => {
  it('has its rate behind what the engine says of it, and nothing else has', () => {
    const text = 'Downloading 12.5 MB of 1.2 GB, 40 s left';
    expect(progressText(text, 25e6)).toBe(`${text}, at 25 MB/s`);
    expect(progressText(text)).toBe(text);
    expect(progressText('Compiling kernels', 25e6)).toBe('Compiling kernels');
  });

  it('that is paused says how much of it is here, where anything is kept', () => {
    const download = { loaded: 1.2e9, total: 2e9 };
    expect(pausedText('A model', true, download)).toBe('Paused: 1.2 GB of 2 GB are here.');
    expect(pausedText('A model', false, download)).toContain('it will begin anew');
    // Nothing came yet, or nobody knows how much there is.
    expect(pausedText('A model', false)).toBe('Paused A model.');
    expect(pausedText('A model', true, { loaded: 5, total: 0 })).toBe('Paused A model.');
  });
});
