// Writes safetensors files for tests, and small packed models of any architecture that transformers has.
import type { SafetensorsDtype } from '../../src/formats/safetensors';
import { FLOAT_ENCODERS, packCodes } from './gguf-writer';

/** A tensor to write. */
export interface StoredTensor {
  dtype: SafetensorsDtype;
  shape: readonly number[];
  bytes: Uint8Array;
}

export type StoredTensors = Record<string, StoredTensor>;

/** A whole safetensors file. */
export function writeSafetensors(tensors: StoredTensors): Uint8Array<ArrayBuffer> {
  let end = 0;
  const entries = Object.entries(tensors).map(([name, { dtype, shape, bytes }]) => {
    const begin = end;
    end += bytes.length;
    return [name, { dtype, shape, data_offsets: [begin, end] }];
  });
  const header = new TextEncoder().encode(JSON.stringify(Object.fromEntries(entries)));
  const file = new Uint8Array(8 + header.length + end);
  new DataView(file.buffer).setBigUint64(0, BigInt(header.length), true);
  file.set(header, 8);
  let at = 8 + header.length;
  for (const { bytes } of Object.values(tensors)) {
    file.set(bytes, at);
    at += bytes.length;
  }
  return file;
}

/** The tensors of a safetensors file. */
export function readSafetensors(file: Uint8Array): StoredTensors {
  const length = Number(new DataView(file.buffer, file.byteOffset).getBigUint64(0, true));
  const header = JSON.parse(new TextDecoder().decode(file.subarray(8, 8 + length))) as Record<
    string,
    { dtype: SafetensorsDtype; shape: number[]; data_offsets: [number, number] }
  >;
  return Object.fromEntries(
    Object.entries(header).map(([name, { dtype, shape, data_offsets }]) => {
      const [begin, end] = data_offsets;
      return [name, { dtype, shape, bytes: file.slice(8 + length + begin, 8 + length + end) }];
    }),
  );
}

/** `tensors` in several files, and the index of them, by name. */
export function shard(tensors: StoredTensors, count: number): Record<string, unknown> {
  const names = Object.keys(tensors);
  const each = Math.ceil(names.length / count);
  const number = (n: number): string => String(n).padStart(5, '0');
  const fileOf = (i: number): string => `model-${number(i + 1)}-of-${number(count)}.safetensors`;
  const shards = Array.from({ length: count }, (_, i) => names.slice(i * each, (i + 1) * each));
  return {
    'model.safetensors.index.json': {
      weight_map: Object.fromEntries(names.map((name, i) => [name, fileOf(Math.floor(i / each))])),
    },
    ...Object.fromEntries(
      shards.map((own, i) => [
        fileOf(i),
        writeSafetensors(Object.fromEntries(own.map((name) => [name, tensors[name]!]))),
      ]),
    ),
  };
}

/** BF16 values. */
export function bfloats(shape: readonly number[], values: readonly number[]): StoredTensor {
  return { dtype: 'BF16', shape, bytes: FLOAT_ENCODERS.BF16(Float32Array.from(values)) };
}

/** The shape of {@link packedModel}. */
export interface PackedShape {
  layers: number;
  width: number;
  ffnWidth: number;
  heads: number;
  kvHeads: number;
  vocabulary: number;
  head: boolean;
}

/** The tensors of a model without sub-norms (llama), all weights 0, all scales `scale`. */
export function packedModel(shape: PackedShape, scale: number): StoredTensors {
  const { layers, width, ffnWidth, heads, kvHeads, vocabulary, head } = shape;
  const kvWidth = (width / heads) * kvHeads;
  const floats = (...extents: number[]): StoredTensor =>
    bfloats(
      extents,
      Array.from({ length: extents.reduce((a, b) => a * b) }, () => 1),
    );
  const tensors: StoredTensors = {
    'model.embed_tokens.weight': floats(vocabulary, width),
    'model.norm.weight': floats(width),
    ...(head ? { 'lm_head.weight': floats(vocabulary, width) } : {}),
  };
  for (let i = 0; i < layers; i++) {
    const prefix = `model.layers.${i}`;
    tensors[`${prefix}.input_layernorm.weight`] = floats(width);
    tensors[`${prefix}.post_attention_layernorm.weight`] = floats(width);
    const matrices: [string, number, number][] = [
      ['self_attn.q_proj', width, width],
      ['self_attn.k_proj', kvWidth, width],
      ['self_attn.v_proj', kvWidth, width],
      ['self_attn.o_proj', width, width],
      ['mlp.gate_proj', ffnWidth, width],
      ['mlp.up_proj', ffnWidth, width],
      ['mlp.down_proj', width, ffnWidth],
    ];
    for (const [name, rows, cols] of matrices) {
      const bytes = packCodes(new Uint8Array(rows * cols).fill(1), rows, cols);
      tensors[`${prefix}.${name}.weight`] = { dtype: 'U8', shape: [rows / 4, cols], bytes };
      tensors[`${prefix}.${name}.weight_scale`] = bfloats([1], [scale]);
    }
  }
  return tensors;
}
