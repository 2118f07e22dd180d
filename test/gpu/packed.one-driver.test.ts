// The I2_S model of the golden values, written as transformers would save it: the same logits.
import { readFile } from 'node:fs/promises';
import { expect, test } from 'vitest';
import { CODE_READERS } from '../../src/formats/codes';
import { LocalEngine } from '../../src/engine/engine';
import { shareContext } from '../support/engine';
import { checkLogits, type Golden } from '../support/golden';
import { takeApart } from '../support/gguf-rewriter';
import { packCodes, type GgufTensor } from '../support/gguf-writer';
import { files, folder } from '../support/model-files';
import { writeSafetensors, type StoredTensor, type StoredTensors } from '../support/safetensors-writer';

const NAME = 'test/fixtures/random-llama-i2_s';
/** The numbers of that model. */
const HEAD_DIM = 64;
const CONFIG = {
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 384,
  intermediate_size: 1024,
  num_hidden_layers: 2,
  num_attention_heads: 6,
  num_key_value_heads: 2,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
  rope_theta: 10000,
  tie_word_embeddings: false,
  quantization_config: {
    quant_method: 'bitnet',
    linear_class: 'autobitlinear',
    modules_to_not_convert: null,
  },
};

/** Names of transformers, by those of GGUF. */
const NAMES: Readonly<Record<string, string>> = {
  token_embd: 'model.embed_tokens',
  output_norm: 'model.norm',
  output: 'lm_head',
  attn_norm: 'input_layernorm',
  attn_q: 'self_attn.q_proj',
  attn_k: 'self_attn.k_proj',
  attn_v: 'self_attn.v_proj',
  attn_output: 'self_attn.o_proj',
  ffn_norm: 'post_attention_layernorm',
  ffn_gate: 'mlp.gate_proj',
  ffn_up: 'mlp.up_proj',
  ffn_down: 'mlp.down_proj',
};

function nameOf(name: string): string {
  const [, layer, part] = /^(?:blk\.(\d+)\.)?(\w+)\.weight$/.exec(name)!;
  return layer === undefined ? NAMES[part!]! : `model.layers.${layer}.${NAMES[part!]!}`;
}

/** Converters put the rows j and j + half of each head of q and k side by side; back to where training had them. */
function rowsAsTrained(codes: Uint8Array, cols: number): Uint8Array {
  const out = new Uint8Array(codes.length);
  for (let row = 0; row < codes.length / cols; row++) {
    const inHead = row % HEAD_DIM;
    const to = row - inHead + (inHead >> 1) + (inHead & 1) * (HEAD_DIM / 2);
    out.set(codes.subarray(row * cols, (row + 1) * cols), to * cols);
  }
  return out;
}

function converted({ name, shape, type, bytes }: GgufTensor): StoredTensors {
  const own = nameOf(name);
  if (type !== 'I2_S') return { [`${own}.weight`]: { dtype: type as StoredTensor['dtype'], shape, bytes } };
  const [rows, cols] = shape as [number, number];
  const codes = Uint8Array.from({ length: rows * cols }, (_, i) => CODE_READERS.I2_S(bytes, i));
  const trained = /attn_[qk]\./.test(name) ? rowsAsTrained(codes, cols) : codes;
  const scale = bytes.slice((rows * cols) / 4, (rows * cols) / 4 + 4);
  return {
    [`${own}.weight`]: { dtype: 'U8', shape: [rows / 4, cols], bytes: packCodes(trained, rows, cols) },
    [`${own}.weight_scale`]: { dtype: 'F32', shape: [1], bytes: scale },
  };
}

test('a packed llama model gives the logits of its I2_S form', async () => {
  const golden = JSON.parse(await readFile(`${NAME}.golden.json`, 'utf8')) as Golden;
  const { tensors } = await takeApart(await readFile(`${NAME}.gguf`));
  const side = folder('test/fixtures/models/ternion-tiny-safetensors');
  const model = files({
    'config.json': CONFIG,
    'model.safetensors': writeSafetensors(Object.assign({}, ...tensors.map(converted)) as StoredTensors),
    'tokenizer.json': side['tokenizer.json'],
    'tokenizer_config.json': side['tokenizer_config.json'],
  });
  const gpu = await shareContext();
  const engine = await LocalEngine.load(gpu, model, { headPrecision: 'f16', tuning: false });
  expect(engine.info).toMatchObject({ format: 'safetensors', codePaths: { activations: 'int8-token' } });
  for (const each of golden.cases) {
    checkLogits(await engine.nextLogits(each.ids), each, golden.activations);
  }
  await engine.dispose();
});
