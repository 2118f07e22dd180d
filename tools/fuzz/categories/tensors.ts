// The data of tensors: what loading makes of weights, norms and scales that are damaged. No GPU is needed.

import { createHash } from 'node:crypto';
import { bytesSource } from '../../../src/files/byte-source';
import { filesAtHand } from '../../../src/files/model-files';
import { ENCODINGS, isTernary } from '../../../src/formats/encodings';
import { BufferLedger, type BufferMaker, type BufferOptions } from '../../../src/gpu/buffers';
import type { UploadTarget } from '../../../src/gpu/context';
import { architectures } from '../../../src/model/architectures';
import { loadWeights } from '../../../src/model/load';
import { type ModelTensor } from '../../../src/model/model-file';
import { openModel } from '../../../src/model/open-model';
import { category, type Category } from '../category';
import type { Draw } from '../draw';
import { lazily, repositoryFile, smallGguf, TERNARY } from './bases';

/** The category of tensors' data. */
export function tensorsCategory(): Category {
  const bases = lazily(makeBases);
  return category<Uint8Array<ArrayBuffer>>({
    name: 'tensors',
    share: 10,
    codes: ['corrupt-file', 'unsupported-feature'],
    generate: async (draw) => damaged(draw, draw.pick(await bases())),
    async run(bytes) {
      const model = await openModel(
        filesAtHand([{ name: 'model.gguf', bytes: bytesSource(bytes) }]),
        architectures,
      );
      const target = new CheckingTarget();
      await loadWeights(target, model, { vocabulary: 'exact' });
      return target.digest();
    },
    save: (bytes) => ({ 'model.gguf': bytes }),
  });
}

interface Base {
  bytes: Uint8Array<ArrayBuffer>;
  tensors: readonly ModelTensor[];
}

async function makeBases(): Promise<Base[]> {
  const all = [
    await repositoryFile('public/models/ternion-tiny-i2_s.gguf'),
    ...(await Promise.all(
      TERNARY.map((encoding) => smallGguf({ encoding, architecture: 'llama', variedScales: true })),
    )),
    await smallGguf({ embedding: 'Q6_K', norms: 'BF16', ropeFactors: new Float32Array(32).fill(2) }),
    await smallGguf({ embedding: 'Q4_K', norms: 'F16', architecture: 'qwen3' }),
    await smallGguf({ embedding: 'F32', architecture: 'llama', encoding: 'TQ1_0' }),
  ];
  return Promise.all(
    all.map(async (bytes) => {
      const files = filesAtHand([{ name: 'model.gguf', bytes: bytesSource(bytes) }]);
      const { tensors } = await openModel(files, architectures);
      return { bytes, tensors: [...tensors.values()] };
    }),
  );
}

/** Numbers that are none, too large for f16, subnormal, or just any. */
const PATTERNS = [
  [0x00, 0x7c],
  [0xff, 0xff],
  [0x00, 0x00, 0x80, 0x7f],
  [0x00, 0x00, 0xc0, 0x7f],
  [0xff, 0xff, 0x7f, 0x7f],
  [0x01, 0x00, 0x00, 0x00],
  [0x00, 0x00],
] as const;

/** One to six runs of bytes inside tensors are others. */
function damaged(draw: Draw, { bytes, tensors }: Base): Uint8Array<ArrayBuffer> {
  const out = bytes.slice();
  for (let left = draw.between(1, 6); left > 0; left--) {
    const tensor = draw.pick(tensors);
    const at = placeIn(draw, tensor);
    const length = Math.min(draw.pick([1, 2, 4, 64, 5000]), tensor.offset + tensor.byteLength - at);
    const pattern: ArrayLike<number> = draw.chance(0.6) ? draw.pick(PATTERNS) : draw.bytes(16);
    for (let i = 0; i < length; i++) out[at + i] = pattern[i % pattern.length]!;
  }
  return out;
}

/** Anywhere, or where a ternary block keeps its scale. */
function placeIn(draw: Draw, { offset, byteLength, encoding }: ModelTensor): number {
  if (encoding === 'PACKED' || !isTernary(encoding) || draw.chance(0.4))
    return offset + draw.below(byteLength);
  if (encoding === 'I2_S') return offset + byteLength - 32;
  const { blockBytes } = ENCODINGS[encoding];
  const block = draw.below(byteLength / blockBytes) * blockBytes;
  return offset + block + (encoding.startsWith('TQ') ? blockBytes - 2 : 0);
}

/** Takes weights as a device would, and looks at every number: a place that a buffer has, and a finite value. */
class CheckingTarget implements UploadTarget {
  readonly limits = { maxBufferSize: 2 ** 28, maxStorageBufferBindingSize: 2 ** 27 };
  readonly device = {
    queue: { onSubmittedWorkDone: async () => undefined, submit: () => undefined },
    createCommandEncoder: noKernels,
  };
  readonly #buffers: BufferMaker = new BufferLedger(this.limits);
  readonly #hash = createHash('sha256');

  createBuffer(label: string, size: number, options?: BufferOptions): GPUBuffer {
    return this.#buffers.createBuffer(label, size, options);
  }

  write(buffer: GPUBuffer, offset: number, data: Uint16Array | Uint32Array | Float32Array): void {
    if (offset % 4 !== 0 || data.byteLength % 4 !== 0)
      throw new Error(`${data.byteLength} bytes at ${offset} of ${buffer.label}: WebGPU takes whole words`);
    if (offset < 0 || offset + data.byteLength > buffer.size)
      throw new Error(`${data.byteLength} bytes at ${offset} of ${buffer.label}, which has ${buffer.size}`);
    if (!allFinite(data)) throw new Error(`a number of ${buffer.label} is not finite`);
    this.#hash.update(`${buffer.label} ${offset} ${data.length} `);
    this.#hash.update(new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
  }

  free(buffer: GPUBuffer): void {
    this.#buffers.free(buffer);
  }

  async checkedAllocation<T>(_what: string, allocate: () => T): Promise<T> {
    return allocate();
  }

  assertAlive(): void {}

  async dispatch(): Promise<never> {
    return noKernels();
  }

  /** SHA-256 of all that was written. */
  digest(): string {
    return this.#hash.digest('hex');
  }
}

/** Only int8 needs some. */
function noKernels(): never {
  throw new Error('there is no GPU to run a kernel on');
}

/** Floats, and halves by their bits, are finite; words are codes and can be anything. */
function allFinite(data: Uint16Array | Uint32Array | Float32Array): boolean {
  if (data instanceof Float32Array) return data.every((value) => Number.isFinite(value));
  return !(data instanceof Uint16Array) || data.every((bits) => (bits & 0x7c00) !== 0x7c00);
}
