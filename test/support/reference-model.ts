// A whole model in float64, written plainly: what the engine's logits are compared with. Keys and values are rounded to
// f16 when they are cached, as the engine does.
import {
  activate,
  attend,
  mapHeads,
  multiply,
  rmsNorm,
  rotate,
  roundToInt8,
  toF16,
} from '../../tools/inspect/formulas';
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
    const x = own ? rmsNorm(input, own, EPS) : input;
    return multiply(weight(name), activations === 'f32' ? x : roundToInt8(x, 'token').values);
  };
  const normed = (x: Float64Array, name: string): Float64Array => rmsNorm(x, weight(name), EPS);
  const activation = shape.hiddenActivation ?? (architecture === 'bitnet-b1.58' ? 'relu2' : 'silu');
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
    const attended = attendAll(
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
      const hidden = gate.map((g, j) => activate(g, activation) * up[j]!);
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

function attendAll({ shape, weights }: SmallModel, layer: string, tokens: Projections[]): Float64Array[] {
  const { headDim } = shape;
  const turning = turningOf(shape);
  const prepare = (x: Float64Array, position: number, norm: string): Float64Array => {
    const weight = weights.get(`${layer}.${norm}.weight`);
    return mapHeads(x, headDim, (head) =>
      rotate(weight ? rmsNorm(head, weight, EPS) : head, position, turning),
    );
  };
  const keys = tokens.map(({ k }, position) => prepare(k, position, 'attn_k_norm').map(toF16));
  const values = tokens.map(({ v }) => v.map(toF16));
  return tokens.map(({ q }, position) => {
    const query = prepare(q, position, 'attn_q_norm');
    return attend(shape, query, keys.slice(0, position + 1), values.slice(0, position + 1));
  });
}

/** The frequencies of a head's pairs, and what sines and cosines are multiplied by. */
function turningOf(shape: SmallModel['shape']) {
  const { headDim, architecture, yarn, longrope, contextLength = 128 } = shape;
  const isLong = longrope && contextLength > longrope.originalContext;
  const factors = longrope ? (isLong ? longrope.long : longrope.short) : shape.ropeFactors;
  const half = headDim / 2;
  const frequencies = Float64Array.from({ length: half }, (_, j) => {
    const plain = THETA ** (-j / half) / (factors?.[j] ?? 1);
    return yarn ? stretched(plain, j, half, yarn) : plain;
  });
  const magnitude = longrope?.attentionFactor ?? (yarn ? 1 + 0.1 * Math.log(yarn.factor) : 1);
  const pairs = architecture === 'llama' || architecture === 'minicpm' ? 'normal' : 'neox';
  return { pairs, frequencies, magnitude } as const;
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

function add(x: Float64Array, y: Float64Array, factor: number): void {
  for (let i = 0; i < x.length; i++) x[i]! += factor * y[i]!;
}
