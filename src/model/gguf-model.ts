// A model in GGUF: one file, or the parts that gguf-split made of it.

import { TernionError } from '../errors';
import { mergeSplits, parseGguf, splitNames, type GgufContents, type GgufFile } from '../formats/gguf';
import { tokenizerSpecFromGguf } from '../tokenizer';
import type { ByteSource } from '../files/byte-source';
import type { ModelFiles } from '../files/model-files';
import { configFromMetadata, type Architecture, type ModelConfig } from './config';
import type { ModelFile, ModelTensors } from './model-file';
import { refuseNotYet } from './not-yet';

/**
 * Reads the headers of a GGUF model; any part of a split one may be the main file. Rejects with `corrupt-file` (naming a
 * part that is missing), or by the name of whatever is not supported.
 */
export async function openGguf(
  files: ModelFiles,
  architectures: readonly Architecture[],
  signal?: AbortSignal,
): Promise<ModelFile> {
  const { contents, sources, isSplit } = await readParts(files, signal);
  const { metadata, tensors, version } = contents;
  // The architecture first: it says more about a file than what its tokenizer lacks.
  const adjustments: string[] = [];
  const vocabularySize = tensors.get('token_embd.weight')?.shape[0] ?? 0;
  const config = withMatrixNorms(
    configFromMetadata(metadata, architectures, vocabularySize, adjustments),
    tensors.has('blk.0.attn_q_norm_in.weight'),
  );
  refuseNotYet(config);
  refuseExtras(tensors);
  if (config.tiedHead && tensors.has('output.weight')) adjustments.push(HEAD_LEFT_OUT);
  const tokenizer = tokenizerSpecFromGguf((key) => metadata.get(key));
  adjustments.push(...tokenizer.adjustments);
  return {
    format: isSplit ? 'gguf-split' : 'gguf',
    version,
    config,
    tensors,
    sources,
    tokenizer,
    adjustments,
  };
}

/** Only the tensors tell of norms before each matrix. A model that has them was trained with int8 activations. */
function withMatrixNorms(config: ModelConfig, perMatrixNorms: boolean): ModelConfig {
  return perMatrixNorms ? { ...config, perMatrixNorms, weightOnly: [] } : config;
}

const HEAD_LEFT_OUT =
  'The file has an output.weight, which is left out: in this architecture the LM head is the embedding.';

interface Parts {
  contents: GgufContents;
  sources: ByteSource[];
  isSplit: boolean;
}

async function readParts(files: ModelFiles, signal?: AbortSignal): Promise<Parts> {
  const { main } = files;
  const header = await parseGguf(main.bytes, signal);
  const count = header.metadata.optionalInteger('split.count') ?? 1;
  if (count <= 1) return { contents: header, sources: [main.bytes], isSplit: false };
  const names = partNames(main.name, header, count);
  const headers: GgufFile[] = [];
  const sources: ByteSource[] = [];
  for (const name of names) {
    const bytes = name === main.name ? main.bytes : await files.sibling(name, signal);
    if (!bytes) throw missingPart(name, names);
    sources.push(bytes);
    headers.push(name === main.name ? header : await parsePart(name, bytes, signal));
  }
  return { contents: mergeSplits(headers), sources, isSplit: true };
}

async function parsePart(name: string, bytes: ByteSource, signal?: AbortSignal): Promise<GgufFile> {
  try {
    return await parseGguf(bytes, signal);
  } catch (error) {
    if (!(error instanceof TernionError) || error.code === 'aborted') throw error;
    throw new TernionError(error.code, `${name}: ${error.message}`, { cause: error });
  }
}

/** The names of all parts. A renamed part does not tell how the others are called. */
function partNames(name: string, { metadata }: GgufFile, count: number): string[] {
  const names = splitNames(name);
  if (names.length === count) return names;
  const number = (metadata.optionalInteger('split.no') ?? 0) + 1;
  const pattern = splitNames(`name-00001-of-${String(count).padStart(5, '0')}.gguf`)[0]!;
  throw new TernionError(
    'corrupt-file',
    `This is part ${number} of a model in ${count} files, but it is called '${name}': the others cannot be found. ` +
      `Load the first part, with its own name (${pattern}) and the other parts beside it.`,
  );
}

function missingPart(name: string, names: readonly string[]): TernionError {
  return new TernionError(
    'corrupt-file',
    `The file ${name} is missing. The model is split into ${names.length} files that belong together: ` +
      `${names[0]!} and those numbered after it.`,
  );
}

/**
 * Tensors that would change the result if they were left out: biases, and scales that old converters wrote apart from
 * their matrices.
 */
function refuseExtras(tensors: ModelTensors): void {
  for (const name of tensors.keys()) {
    if (!/\.(bias|scale)$/.test(name)) continue;
    throw new TernionError(
      'unsupported-feature',
      `The tensor ${name} is not supported: no model here has one.`,
    );
  }
}
