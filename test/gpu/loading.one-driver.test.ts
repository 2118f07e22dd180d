// Loading: on devices of every kind the same answers; from bad files the right error, and nothing left on the GPU.
import { readFileSync } from 'node:fs';
import { describe, expect, test } from 'vitest';
import type { TernionErrorCode } from '../../src/errors';
import { bytesSource, type ByteSource } from '../../src/files/byte-source';
import { parseGguf } from '../../src/formats/gguf';
import { floatsToHalves } from '../../src/formats/half';
import { LocalEngine, type EngineOptions } from '../../src/engine/engine';
import type { PhaseProgress } from '../../src/plan/load-options';
import { collect } from '../support/collect';
import { openContext, type FixtureOptions } from '../support/engine';
import { putTogether, takeApart } from '../support/gguf-rewriter';
import { oneFile } from '../support/model-files';
import { smallModel, type SmallShape } from '../support/small-model';
import type { GoldenPrompt } from '../support/golden';
import { expectFailure } from '../support/expect-failure';
import { loadWatched, TINY, watch } from '../support/watched-engine';

const prompts = JSON.parse(
  readFileSync(new URL('../fixtures/prompts.json', import.meta.url), 'utf8'),
) as GoldenPrompt[];

const SMALL: SmallShape = {
  architecture: 'llama',
  width: 256,
  ffnWidth: 256,
  heads: 4,
  kvHeads: 2,
  headDim: 64,
  encoding: 'I2_S',
};

describe('the same answers come', () => {
  const devices: [string, FixtureOptions][] = [
    ['without packed dot products and subgroups', { capabilities: { packedDot: false, subgroups: false } }],
    ['from a device with default limits and no features', { features: 'none', limits: 'default' }],
  ];

  test.each(devices)('%s', async (_name, options) => {
    const { engine } = await loadWatched(options);
    // One of 20 tokens, and one of 7 to a prompt of 57.
    for (const { messages, greedy, sure } of [prompts[2]!, prompts[15]!]) {
      const session = engine.createSession();
      const { tokenIds } = await collect(session.generate(messages));
      expect(tokenIds.slice(0, sure)).toEqual(greedy.slice(0, sure));
      await session.dispose();
    }
    await engine.dispose();
  });

  test('in small chunks', async () => {
    // 76 tokens of prompt in nine chunks of 8 and one of 4.
    const { messages, greedy } = prompts[20]!;
    const { engine } = await loadWatched({ variants: { prefillTokens: 8 } });
    const { tokenIds } = await collect(engine.createSession().generate(messages));
    expect(tokenIds).toEqual(greedy);
    await engine.dispose();
  });

  test('with the LM head as the file has it', async () => {
    const { messages, greedy } = prompts[0]!;
    const { engine } = await loadWatched({ headPrecision: 'f16' });
    expect((await collect(engine.createSession().generate(messages))).tokenIds).toEqual(greedy);
    await engine.dispose();
  });
});

test('info says what was loaded and how it runs, after progress went from nothing to all', async () => {
  const seen: PhaseProgress[] = [];
  // More context than the model was made for, which is 1024.
  const options = { contextLength: 1_000_000, onProgress: (progress: PhaseProgress) => seen.push(progress) };
  const { engine, gpu, counts } = await loadWatched(options);
  const { subgroups, subgroupMaxSize, packedDot } = gpu.capabilities;
  // Software adapters multiply in pairs; see decodeMatmulCandidates in src/kernels/ternary-matmul.ts.
  const dot = packedDot ? 'dot4I8Packed' : 'pairs';
  expect(engine.info).toMatchObject({
    architecture: 'bitnet-b1.58',
    name: 'Ternion Tiny',
    contextLength: 1024,
    adjustments: ['A context of 1000000 tokens was asked for; the model was made for 1024, and has that.'],
    vocabularySize: 1536,
    format: 'gguf',
    formatVersion: 3,
    encodings: { layers: 'I2_S', embedding: 'F16', head: 'F16', norms: 'F32' },
    tokenizer: { kind: 'byte-level BPE', preTokenizer: 'llama-bpe' },
    chatTemplate: 'file',
    gpuBytes: counts.liveBytes,
    codePaths: {
      reduction: subgroups ? 'subgroups' : 'workgroup',
      int8Dot: subgroups && subgroupMaxSize <= 8 ? 'pairs' : dot,
      f16: 'pack2x16float',
    },
  });
  // 4 layers: q and output 256², k and v 128·256, three matrices of 512·256, norms 3·256 + 512; the embedding 1536·256; a norm.
  const layer = 2 * 256 ** 2 + 2 * 128 * 256 + 3 * 512 * 256 + 3 * 256 + 512;
  expect(engine.info.parameterCount).toBe(4 * layer + 1536 * 256 + 256);
  await engine.dispose();

  const uploaded = seen.filter(({ phase }) => phase === 'upload').map(({ loaded }) => loaded);
  expect(uploaded).toEqual(uploaded.toSorted((a, b) => a - b));
  expect(uploaded.at(-1)).toBe(seen.findLast(({ phase }) => phase === 'upload')!.total);
  // A tick for each pipeline; there are more than ten on every adapter.
  const compiled = seen.filter(({ phase }) => phase === 'compile').map(({ loaded }) => loaded);
  expect(compiled.slice(0, -1)).toEqual(compiled.slice(0, -1).map((_, i) => i));
  expect(compiled.length).toBeGreaterThan(10);
  expect(seen.at(-1)!.phase).toBe('compile');
  expect(seen.at(-1)!.loaded).toBe(seen.at(-1)!.total);
});

describe('nothing is left on the GPU', () => {
  const model = readFileSync(new URL(`../../${TINY}`, import.meta.url));

  /** The model with the bytes at `offset` replaced. */
  function patched(offset: number, bytes: ArrayLike<number>): Uint8Array {
    const copy = new Uint8Array(model);
    copy.set(bytes, offset);
    return copy;
  }

  /** Where `text` is, which is in the file once. */
  function find(text: string): number {
    const at = model.indexOf(text);
    if (at < 0 || model.indexOf(text, at + 1) >= 0) throw new Error(`${text} is not in the file just once`);
    return at;
  }

  /** Where, in the table of tensors, the entry of `name` goes on behind the name: dimensions, extents, type, offset. */
  const entry = (name: string): number => find(name) + name.length;

  const u32 = (value: number): Uint8Array => new Uint8Array(Uint32Array.of(value).buffer);
  const ascii = (text: string): Uint8Array => new TextEncoder().encode(text);

  async function expectNothingLeft(
    source: ByteSource,
    code: TernionErrorCode,
    options: EngineOptions = {},
    words: string | RegExp = '',
  ): Promise<void> {
    const gpu = await openContext();
    const counts = watch(gpu);
    await expectFailure(LocalEngine.load(gpu, oneFile(source), options), code, words);
    expect(gpu.bytes).toBe(0);
    expect(gpu.bufferCount).toBe(0);
    expect(counts.liveBytes).toBe(0);
  }

  // In the magic, the counts, the metadata, the vocabulary, the table of tensors; in the first and the last tensor.
  test.each([0, 3, 10, 100, 20_000, 46_000, 48_000, 700_000, model.length - 16])(
    'of a file that is cut after %i bytes',
    async (length) => {
      const code = length < 4 ? /unsupported-format|corrupt-file/ : /corrupt-file/;
      const gpu = await openContext();
      const counts = watch(gpu);
      const error = await LocalEngine.load(gpu, oneFile(model.subarray(0, length))).catch(
        (reason: unknown) => reason as { code?: string },
      );
      expect(error).toHaveProperty('code', expect.stringMatching(code));
      expect(gpu.bytes + counts.liveBytes).toBe(0);
    },
  );

  const files: [string, TernionErrorCode, () => Uint8Array, string][] = [
    ['with another magic', 'unsupported-format', () => patched(0, ascii('GGUG')), ''],
    ['of version 99', 'unsupported-format', () => patched(4, u32(99)), '99'],
    [
      'of an unknown architecture',
      'unsupported-architecture',
      // The key is 20 bytes, then come the value's type (4) and length (8).
      () => patched(find('general.architecture') + 20 + 12, ascii('gptnet-b1.58')),
      'gptnet-b1.58',
    ],
    [
      'with a tensor of a type that nobody knows',
      'unsupported-tensor-type',
      () => patched(entry('blk.1.attn_q.weight') + 4 + 16, u32(99)),
      'blk.1.attn_q.weight',
    ],
    [
      'with a tensor of a type that cannot be read',
      'unsupported-tensor-type',
      // 10 is Q2_K.
      () => patched(entry('blk.1.attn_q.weight') + 4 + 16, u32(10)),
      'Q2_K',
    ],
    [
      'with floats where weights are ternary',
      'unsupported-tensor-type',
      // 1 is F16. The last tensor of the file may be longer, if the file is.
      () => {
        const longer = new Uint8Array(model.length + 256 * 512 * 2);
        longer.set(patched(entry('blk.3.ffn_down.weight') + 4 + 16, u32(1)));
        return longer;
      },
      'blk.3.ffn_down.weight is F16',
    ],
    [
      'without a tensor that is needed',
      'corrupt-file',
      () => patched(find('blk.2.ffn_down.weight'), ascii('blk.2.ffn_dawn.weight')),
      'blk.2.ffn_down.weight',
    ],
    [
      'without an embedding',
      'corrupt-file',
      () => patched(find('token_embd.weight'), ascii('taken_embd.weight')),
      'token_embd.weight',
    ],
    [
      'with a norm of the wrong length',
      'corrupt-file',
      () => patched(entry('output_norm.weight') + 4, u32(128)),
      'output_norm.weight',
    ],
    [
      'with a matrix of the wrong shape',
      'corrupt-file',
      () => patched(entry('blk.0.attn_k.weight') + 4, [...u32(128), ...u32(0), ...u32(256)]),
      'blk.0.attn_k.weight',
    ],
    [
      'with a tensor that lies outside',
      'corrupt-file',
      () => patched(entry('blk.0.attn_k.weight') + 4 + 16 + 4, u32(0x7fffffe0)),
      'blk.0.attn_k.weight',
    ],
  ];

  test.each(files)('of a file %s', async (_name, code, make, words) => {
    await expectNothingLeft(bytesSource(make()), code, {}, words);
  });

  test('of a scale that is no number, found when most tensors were there already', async () => {
    const { tensors } = await parseGguf(bytesSource(model));
    const { offset, byteLength } = tensors.get('blk.3.ffn_down.weight')!;
    // The scale is the first of the 32 bytes behind the codes.
    const bytes = patched(offset + byteLength - 32, new Uint8Array(Float32Array.of(NaN).buffer));
    await expectNothingLeft(bytesSource(bytes), 'corrupt-file', {}, 'blk.3.ffn_down.weight');
  });

  test.each([
    ['blk.0.attn_norm.weight', NaN],
    ['blk.3.ffn_sub_norm.weight', -Infinity],
    ['output_norm.weight', Infinity],
    ['token_embd.weight', NaN],
    ['token_embd.weight', Infinity],
  ])('of a tensor %s that has %d', async (name, value) => {
    const { tensors } = await parseGguf(bytesSource(model));
    const { encoding, offset, byteLength } = tensors.get(name)!;
    const float = Float32Array.of(value);
    const half = new Uint16Array(1);
    floatsToHalves(float, half);
    const { buffer } = encoding === 'F16' ? half : float;
    const bytes = patched(offset + byteLength - buffer.byteLength, new Uint8Array(buffer));
    await expectNothingLeft(bytesSource(bytes), 'corrupt-file', {}, name);
  });

  test.each([
    ['F32', Infinity, 'corrupt-file'],
    ['BF16', NaN, 'corrupt-file'],
    ['BF16', 1e6, 'unsupported-feature'],
  ] as const)('of an embedding in %s that has %d, which f16 has not', async (encoding, value, code) => {
    const { bytes } = await smallModel({ ...SMALL, embedding: encoding });
    const { tensors } = await parseGguf(bytesSource(bytes));
    const { offset } = tensors.get('token_embd.weight')!;
    const last = new Uint8Array(Float32Array.of(value).buffer);
    // A bfloat is the upper half of a float.
    bytes.set(encoding === 'F32' ? last : last.subarray(2), offset);
    await expectNothingLeft(bytesSource(bytes), code, {}, 'token_embd.weight');
  });

  test('of a scale of one block that is no number', async () => {
    const { bytes } = await smallModel({ ...SMALL, encoding: 'TQ2_0' });
    const { tensors } = await parseGguf(bytesSource(bytes));
    const { offset, byteLength } = tensors.get('blk.1.ffn_up.weight')!;
    // The half at the end of a block; these bits are NaN.
    bytes.set([0x00, 0x7e], offset + byteLength - 2);
    await expectNothingLeft(bytesSource(bytes), 'corrupt-file', {}, 'blk.1.ffn_up.weight');
  });

  test('of a source that fails half way', async () => {
    const source = bytesSource(model);
    const broken: ByteSource = {
      size: source.size,
      read: (offset, length, options) => {
        if (offset > 1_000_000) throw new Error('The disk is gone');
        return source.read(offset, length, options);
      },
    };
    const gpu = await openContext();
    const counts = watch(gpu);
    await expect(LocalEngine.load(gpu, oneFile(broken))).rejects.toThrow('The disk is gone');
    expect(gpu.bytes + counts.liveBytes).toBe(0);
  });

  test('of a load that was aborted before it began', async () => {
    await expectNothingLeft(bytesSource(model), 'aborted', { signal: AbortSignal.abort() });
  });

  test.each(['upload', 'compile'] as const)('of a load that is aborted in its %s', async (wanted) => {
    const controller = new AbortController();
    const onProgress = ({ phase, loaded }: PhaseProgress): void => {
      if (phase === wanted && (loaded > 700_000 || wanted === 'compile')) controller.abort();
    };
    await expectNothingLeft(bytesSource(model), 'aborted', { signal: controller.signal, onProgress });
  });

  test('of a model that the device has no room for', async () => {
    const gpu = await openContext();
    const counts = watch(gpu);
    const { device } = gpu;
    const createBuffer = device.createBuffer.bind(device);
    // A buffer beyond the limits is refused as one is for which there is no memory: silently, but for error scopes.
    device.createBuffer = (descriptor) =>
      createBuffer(
        (descriptor.label ?? '').startsWith('blk.3')
          ? { ...descriptor, size: device.limits.maxBufferSize * 2 }
          : descriptor,
      );
    await expectFailure(LocalEngine.load(gpu, oneFile(model)), 'out-of-memory');
    expect(gpu.bytes + counts.liveBytes).toBe(0);
  });
});

// The second's results go through all that rounds activations to integers, which are numbers whatever they are made of.
const TOO_LARGE = ['output_norm.weight', 'blk.0.attn_norm.weight'];

test.for(TOO_LARGE)(
  'weights that are numbers, but too large, fail an answer and not the engine: %s',
  async (name) => {
    const model = await takeApart(readFileSync(new URL(`../../${TINY}`, import.meta.url)));
    const tensors = model.tensors.map((tensor) =>
      tensor.name === name
        ? { ...tensor, bytes: new Uint8Array(new Float32Array(tensor.shape[0]!).fill(3e38).buffer) }
        : tensor,
    );
    const gpu = await openContext();
    const engine = await LocalEngine.load(gpu, oneFile(putTogether({ ...model, tensors })), {
      tuning: false,
    });
    const session = engine.createSession();
    const options = [{}, { temperature: 0.8, topK: 40, topP: 0.9 }, { repetitionPenalty: 1.1 }];
    // Each again after the others: what a failure leaves is no worse than nothing.
    for (const option of [...options, ...options]) {
      await expectFailure(collect(session.generate('Hello', option)), 'internal', /logits are not finite/);
    }
    await engine.dispose();
    expect(gpu.bytes).toBe(0);
  },
);

test('a lost device fails the answer that is under way, and all later requests, with device-lost', async () => {
  const { engine, gpu } = await loadWatched({ contextLength: 64 });
  const [answering, idle] = [engine.createSession(), engine.createSession()];
  const reader = answering.generate(prompts[2]!.messages).getReader();
  await reader.read();
  gpu.device.destroy();
  const rest = async (): Promise<void> => {
    while (!(await reader.read()).done);
  };
  await expectFailure(rest(), 'device-lost');
  await expectFailure(collect(answering.generate('Hello')), 'device-lost');
  await expectFailure(collect(idle.generate('Hello')), 'device-lost');
  await expectFailure(engine.nextLogits([1, 2]), 'device-lost');
  await engine.dispose();
  expect(gpu.bytes).toBe(0);
});
