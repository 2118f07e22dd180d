// A whole model in float64, written plainly: what the engine's logits are compared with. Keys and values are rounded to
// f16 when they are cached, as the engine does.
import { floatBitsToHalf, halfToFloat } from '../../src/formats/half';
import { EPS, THETA, VOCABULARY, type SmallModel } from './small-model';

/** int8 with one scale a token, or as they are. */
export type ReferenceActivations = 'int8-token' | 'f32';

/** The logits after the last of `ids`. */
export function referenceLogits(
  model: SmallModel,
  ids: readonly number[],
  activations: ReferenceActivations,
): number[] {
  const { weights, shape } = model;
  const head = weights.get('output.weight') ?? weights.get('token_embd.weight')!;
  const logits = [...multiply(head, referenceLast(model, ids, activations))].slice(0, VOCABULARY);
  return logits.map((logit) => logit / (shape.scales?.logits ?? 1));
}

/** What the last norm makes of the last of `ids`, [width]. */
export function referenceLast(
  model: SmallModel,
  ids: readonly number[],
  activations: ReferenceActivations,
): Float64Array {
  const { shape, weights } = model;
  const { width, layers = 2, architecture, scales = { embedding: 1, residual: 1 } } = shape;
  const weight = (name: string): Float32Array => weights.get(`${name}.weight`)!;
  const linear = (input: Float64Array, name: string): Float64Array => {
    const own = weights.get(`${name}_norm_in.weight`);
    const x = own ? rmsNorm(input, own) : input;
    return multiply(weight(name), activations === 'f32' ? x : roundToInt8(x));
  };
  const normed = (x: Float64Array, name: string): Float64Array => rmsNorm(x, weight(name));
  const relu2 = (shape.hiddenActivation ?? (architecture === 'bitnet-b1.58' ? 'relu2' : 'silu')) === 'relu2';
  const subNorm = (x: Float64Array, name: string): Float64Array =>
    architecture.startsWith('bitnet') ? normed(x, name) : x;

  const xs = ids.map((id) =>
    Float64Array.from(
      weight('token_embd').subarray(id * width, (id + 1) * width),
      (x) => x * scales.embedding,
    ),
  );
  for (let i = 0; i < layers; i++) {
    const layer = `blk.${i}`;
    const inputs = xs.map((x) => normed(x, `${layer}.attn_norm`));
    const attended = attend(
      model,
      layer,
      inputs.map((x) => ({
        q: linear(x, `${layer}.attn_q`),
        k: linear(x, `${layer}.attn_k`),
        v: linear(x, `${layer}.attn_v`),
      })),
    );
    for (const [t, x] of xs.entries()) {
      add(
        x,
        linear(subNorm(attended[t]!, `${layer}.attn_sub_norm`), `${layer}.attn_output`),
        scales.residual,
      );
      const y = normed(x, `${layer}.ffn_norm`);
      const gate = linear(y, `${layer}.ffn_gate`);
      const up = linear(y, `${layer}.ffn_up`);
      const hidden = gate.map((g, j) => (relu2 ? Math.max(g, 0) ** 2 : g / (1 + Math.exp(-g))) * up[j]!);
      add(x, linear(subNorm(hidden, `${layer}.ffn_sub_norm`), `${layer}.ffn_down`), scales.residual);
    }
  }
  return normed(xs.at(-1)!, 'output_norm');
}

interface Projections {
  q: Float64Array;
  k: Float64Array;
  v: Float64Array;
}

function attend({ shape, weights }: SmallModel, layer: string, tokens: Projections[]): Float64Array[] {
  const { heads, kvHeads, headDim } = shape;
  const prepare = (x: Float64Array, position: number, norm: string): Float64Array => {
    const weight = weights.get(`${layer}.${norm}.weight`);
    const out = new Float64Array(x.length);
    for (let at = 0; at < x.length; at += headDim) {
      const head = x.subarray(at, at + headDim);
      out.set(rotate(shape, weight ? rmsNorm(head, weight) : head, position), at);
    }
    return out;
  };
  const queries = tokens.map(({ q }, position) => prepare(q, position, 'attn_q_norm'));
  const keys = tokens.map(({ k }, position) => prepare(k, position, 'attn_k_norm').map(toF16));
  const values = tokens.map(({ v }) => v.map(toF16));
  return queries.map((query, position) => {
    const out = new Float64Array(heads * headDim);
    for (let head = 0; head < heads; head++) {
      const own = Math.floor((head * kvHeads) / heads) * headDim;
      const scores = keys.slice(0, position + 1).map((key) => {
        let sum = 0;
        for (let d = 0; d < headDim; d++) sum += query[head * headDim + d]! * key[own + d]!;
        return sum / Math.sqrt(headDim);
      });
      const most = Math.max(...scores);
      const exps = scores.map((score) => Math.exp(score - most));
      const total = exps.reduce((a, b) => a + b);
      for (const [t, exp] of exps.entries()) {
        for (let d = 0; d < headDim; d++) out[head * headDim + d]! += (exp / total) * values[t]![own + d]!;
      }
    }
    return out;
  });
}

function rotate(shape: SmallModel['shape'], x: Float64Array, position: number) {
  const { architecture, yarn, longrope, contextLength = 128 } = shape;
  const isLong = longrope && contextLength > longrope.originalContext;
  const factors = longrope ? (isLong ? longrope.long : longrope.short) : shape.ropeFactors;
  const half = x.length / 2;
  const out = new Float64Array(x.length);
  const magnitude = longrope?.attentionFactor ?? (yarn ? 1 + 0.1 * Math.log(yarn.factor) : 1);
  for (let j = 0; j < half; j++) {
    const plain = THETA ** (-j / half) / (factors?.[j] ?? 1);
    const angle = position * (yarn ? stretched(plain, j, half, yarn) : plain);
    const [a, b] =
      architecture === 'llama' || architecture === 'minicpm' ? [2 * j, 2 * j + 1] : [j, j + half];
    out[a] = magnitude * (x[a]! * Math.cos(angle) - x[b]! * Math.sin(angle));
    out[b] = magnitude * (x[b]! * Math.cos(angle) + x[a]! * Math.sin(angle));
  }
  return out;
}

/** YaRN: a pair that turns 32 times in the original context keeps its frequency, one that turns once has it divided. */
function stretched(
  frequency: number,
  j: number,
  half: number,
  { factor, originalContext }: NonNullable<SmallModel['shape']['yarn']>,
): number {
  const pairThatTurns = (times: number): number =>
    (half * Math.log(originalContext / (2 * Math.PI * times))) / Math.log(THETA);
  const first = Math.max(0, Math.floor(pairThatTurns(32)));
  const last = Math.min(2 * half - 1, Math.ceil(pairThatTurns(1)));
  const share = Math.min(1, Math.max(0, (j - first) / (last - first)));
  return frequency * (1 - share + share / factor);
}

function rmsNorm(x: Float64Array, weight: Float32Array): Float64Array {
  const meanSquare = x.reduce((sum, value) => sum + value ** 2, 0) / x.length;
  return x.map((value, i) => (value / Math.sqrt(meanSquare + EPS)) * weight[i]!);
}

function multiply(matrix: Float32Array, x: Float64Array): Float64Array {
  return Float64Array.from({ length: matrix.length / x.length }, (_, row) => {
    let sum = 0;
    for (let col = 0; col < x.length; col++) sum += matrix[row * x.length + col]! * x[col]!;
    return sum;
  });
}

/** The numbers that int8 activations with one scale stand for. */
function roundToInt8(x: Float64Array): Float64Array {
  const s = 127 / x.reduce((most, value) => Math.max(most, Math.abs(value)), 1e-5);
  return x.map((value) => Math.min(127, Math.max(-128, Math.round(value * s))) / s);
}

function add(x: Float64Array, y: Float64Array, factor: number): void {
  for (let i = 0; i < x.length; i++) x[i]! += factor * y[i]!;
}

function toF16(value: number): number {
  return halfToFloat(floatBitsToHalf(new Int32Array(Float32Array.of(value).buffer)[0]!));
}
