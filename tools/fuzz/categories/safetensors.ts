// Safetensors headers, and the JSON files beside them: config.json, the index of shards, the tokenizer's.

import {
  packedModel,
  shard,
  writeSafetensors,
  type StoredTensors,
} from '../../../test/support/safetensors-writer';
import { without } from '../../../test/support/model-files';
import { category, type Category } from '../category';
import type { Draw } from '../draw';
import { hostileJson, mutateBytes, mutateJson, oddText } from '../mutate';
import { HEADER_CODES, lazily, readWhole, repositoryFile, utf8, type FileSet } from './bases';

const FOLDER = 'test/fixtures/models/ternion-tiny-safetensors';
const JSON_FILES = ['config.json', 'tokenizer.json', 'tokenizer_config.json'];
const LLAMA = {
  model_type: 'llama',
  hidden_act: 'silu',
  hidden_size: 64,
  intermediate_size: 128,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  max_position_embeddings: 4096,
  rms_norm_eps: 1e-5,
  rope_theta: 500000,
  rope_scaling: { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 1024 },
  tie_word_embeddings: false,
  vocab_size: 1536,
  quantization_config: { quant_method: 'bitnet', linear_class: 'bitlinear' },
};

/** The category of packed Hugging Face models. */
export function safetensorsCategory(): Category {
  const bases = lazily(makeBases);
  return category<FileSet>({
    name: 'safetensors',
    share: 15,
    codes: HEADER_CODES,
    generate: async (draw) => damaged(draw, draw.pick(await bases())),
    run: readWhole,
    save: (set) => set,
  });
}

async function makeBases(): Promise<FileSet[]> {
  const names = [...JSON_FILES, 'model.safetensors'];
  const tiny = Object.fromEntries(
    await Promise.all(names.map(async (name) => [name, await repositoryFile(`${FOLDER}/${name}`)] as const)),
  );
  const sizes = { layers: 1, width: 64, ffnWidth: 128, heads: 4, kvHeads: 2, vocabulary: 1536, head: true };
  const tensors = packedModel(sizes, 0.5);
  const side = { ...tiny, 'config.json': utf8(JSON.stringify(LLAMA)) };
  return [tiny, { ...side, 'model.safetensors': writeSafetensors(tensors) }, sharded(side, tensors)];
}

function sharded(side: FileSet, tensors: StoredTensors): FileSet {
  const shards = Object.entries(shard(tensors, 2)).map(([name, content]) => [
    name,
    content instanceof Uint8Array ? content : utf8(JSON.stringify(content)),
  ]);
  return { ...without(side, 'model.safetensors'), ...(Object.fromEntries(shards) as FileSet) };
}

function damaged(draw: Draw, base: FileSet): FileSet {
  const name = draw.pick(Object.keys(base));
  const set = { ...base, [name]: damagedFile(draw, name, base[name]!) };
  if (draw.chance(0.05)) delete set[draw.pick(Object.keys(set))];
  if (draw.chance(0.1))
    set['generation_config.json'] = utf8(hostileJson(draw, mutateJson(draw, { eos_token_id: [1, 2] })));
  if (draw.chance(0.05)) set['chat_template.jinja'] = utf8(oddText(draw));
  // Any file of a model may be the one that a caller names.
  const main = draw.chance(0.7) ? 'config.json' : draw.pick(Object.keys(set));
  return { [main]: set[main] ?? new Uint8Array(), ...set };
}

function damagedFile(draw: Draw, name: string, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  if (draw.chance(0.15)) return mutateBytes(draw, bytes, 4000);
  if (name.endsWith('.safetensors')) return damagedHeader(draw, bytes);
  return utf8(hostileJson(draw, mutateJson(draw, parse(bytes))));
}

/** The tensors as they are, behind a header that says something else of them. */
function damagedHeader(draw: Draw, bytes: Uint8Array<ArrayBuffer>): Uint8Array<ArrayBuffer> {
  const length = Number(new DataView(bytes.buffer).getBigUint64(0, true));
  const header = utf8(hostileJson(draw, mutateJson(draw, parse(bytes.subarray(8, 8 + length)))));
  const out = new Uint8Array(8 + header.length + bytes.length - 8 - length);
  const told = draw.chance(0.9) ? header.length : header.length + draw.between(-8, 8);
  new DataView(out.buffer).setBigUint64(0, BigInt(Math.max(0, told)), true);
  out.set(header, 8);
  out.set(bytes.subarray(8 + length), 8 + header.length);
  return out;
}

function parse(bytes: Uint8Array): unknown {
  return JSON.parse(new TextDecoder().decode(bytes));
}
