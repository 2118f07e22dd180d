// The tensors that a config calls for: their names in a GGUF file and their shapes. One list drives checks and loading.

import { TernionError } from '../errors';
import type { ModelConfig } from './config';

/** A ternary matrix of one layer; `parts` are stacked row by row in one GPU buffer, so that one dispatch serves all. */
export interface MatrixTensors {
  parts: { name: string; rows: number }[];
  cols: number;
  /** What its products are multiplied by, beyond its own scales. */
  factor: number;
}

/** A norm weight, or another list of numbers, f32 [length]. */
export interface NormTensor {
  name: string;
  length: number;
}

/** A norm for each of the matrices that otherwise share an input. */
export type InputNorms<Norm> = Record<'q' | 'k' | 'v' | 'gate' | 'up', Norm>;

/** What one layer is made of. */
export interface LayerTensors {
  attnNorm: NormTensor;
  /** Where each matrix has a norm of its own: those of q, k, v, gate and up, behind the norm that the layer has anyway. */
  inputNorms: InputNorms<NormTensor> | undefined;
  qkv: MatrixTensors;
  /** RMSNorms over each head of queries and keys. */
  headNorms: { q: NormTensor; k: NormTensor } | undefined;
  /** The norm of attn_output's input. */
  attnSubNorm: NormTensor | undefined;
  attnOutput: MatrixTensors;
  ffnNorm: NormTensor;
  gateUp: MatrixTensors;
  /** The norm of ffn_down's input. */
  ffnSubNorm: NormTensor | undefined;
  ffnDown: MatrixTensors;
}

/**
 * The tensors that divide RoPE's frequencies, each [rotary / 2]: of contexts up to the original one, and of longer ones.
 * Without longrope both are `rope_freqs.weight`.
 */
export interface RopeFactorTensors {
  short: NormTensor;
  long: NormTensor;
}

/** Those that `tensors` should have; undefined where frequencies are divided by nothing. */
export function ropeFactorTensors(
  { ropeScaling, rotary }: ModelConfig,
  tensors: ReadonlyMap<string, unknown>,
): RopeFactorTensors | undefined {
  const factors = (name: string): NormTensor => ({ name: `${name}.weight`, length: rotary / 2 });
  if (ropeScaling.kind === 'longrope') {
    return { short: factors('rope_factors_short'), long: factors('rope_factors_long') };
  }
  const forAll = factors('rope_freqs');
  return tensors.has(forAll.name) ? { short: forAll, long: forAll } : undefined;
}

/** The tensors of layer `index`. */
export function layerTensors(config: ModelConfig, index: number): LayerTensors {
  const { width, ffnWidth, heads, kvHeads, headDim } = config;
  const name = (part: string): string => `blk.${index}.${part}.weight`;
  const norm = (part: string, length: number): NormTensor => ({ name: name(part), length });
  const subNorm = (usual: string, ownOfMatrix: string, length: number): NormTensor | undefined => {
    if (config.subNorms) return norm(usual, length);
    return config.perMatrixNorms ? norm(ownOfMatrix, length) : undefined;
  };
  const matrix = (cols: number, parts: [string, number][], factor = 1): MatrixTensors => ({
    cols,
    parts: parts.map(([part, rows]) => ({ name: name(part), rows })),
    factor,
  });
  const { residual } = config.scales;
  const qWidth = heads * headDim;
  const kvWidth = kvHeads * headDim;
  return {
    attnNorm: norm('attn_norm', width),
    qkv: matrix(width, [
      ['attn_q', qWidth],
      ['attn_k', kvWidth],
      ['attn_v', kvWidth],
    ]),
    headNorms: config.headNorms
      ? { q: norm('attn_q_norm', headDim), k: norm('attn_k_norm', headDim) }
      : undefined,
    inputNorms: config.perMatrixNorms
      ? {
          q: norm('attn_q_norm_in', width),
          k: norm('attn_k_norm_in', width),
          v: norm('attn_v_norm_in', width),
          gate: norm('ffn_gate_norm_in', width),
          up: norm('ffn_up_norm_in', width),
        }
      : undefined,
    attnSubNorm: subNorm('attn_sub_norm', 'attn_output_norm_in', qWidth),
    attnOutput: matrix(qWidth, [['attn_output', width]], residual),
    ffnNorm: norm('ffn_norm', width),
    gateUp: matrix(width, [
      ['ffn_gate', ffnWidth],
      ['ffn_up', ffnWidth],
    ]),
    ffnSubNorm: subNorm('ffn_sub_norm', 'ffn_down_norm_in', ffnWidth),
    ffnDown: matrix(ffnWidth, [['ffn_down', width]], residual),
  };
}

/** Checks that `tensor` is there with `shape` (outermost first); returns it. */
export function expectTensor<T extends { shape: readonly number[] }>(
  tensors: ReadonlyMap<string, T>,
  name: string,
  shape: readonly number[],
): T {
  const tensor = tensors.get(name);
  if (!tensor) throw new TernionError('corrupt-file', `The tensor ${name} is missing.`);
  if (tensor.shape.length !== shape.length || tensor.shape.some((n, i) => n !== shape[i])) {
    const message = `The tensor ${name} has shape [${tensor.shape.join(', ')}]; the model needs [${shape.join(', ')}].`;
    throw new TernionError('corrupt-file', message);
  }
  return tensor;
}
