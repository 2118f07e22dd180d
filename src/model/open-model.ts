// Finds out what kind of model the files are, and reads their headers.

import type { ModelFiles } from '../files/model-files';
import type { Architecture } from './config';
import { openGguf } from './gguf-model';
import type { ModelFile } from './model-file';

/**
 * Reads what `files` say about the model, and nothing of its tensors' data. The main file of a GGUF model is any of its
 * parts; of a packed Hugging Face model it is `model.safetensors`, `model.safetensors.index.json` or `config.json`.
 *
 * Rejects with `unsupported-format`, `corrupt-file` (also for a file that is missing), or with a code that says what is
 * not supported; the message names it.
 */
export async function openModel(
  files: ModelFiles,
  architectures: readonly Architecture[],
  signal?: AbortSignal,
): Promise<ModelFile> {
  if (!(await looksLikeSafetensors(files, signal))) return openGguf(files, architectures, signal);
  // Few models are kept so: what reads them is loaded when one is.
  const { openSafetensors } = await import('./safetensors-model');
  return openSafetensors(files, architectures, signal);
}

/** Names decide; bytes do where a name says nothing, as that of a blob. What is neither is refused by the GGUF parser. */
async function looksLikeSafetensors({ main }: ModelFiles, signal?: AbortSignal): Promise<boolean> {
  if (/\.(safetensors|json)$/i.test(main.name)) return true;
  if (/\.gguf$/i.test(main.name) || main.bytes.size < FIRST_BYTES) return false;
  const first = await main.bytes.read(0, FIRST_BYTES, { signal });
  // A length of eight bytes, the largest of them 0, and the brace that begins the header.
  return first[7] === 0 && first[8] === 0x7b;
}

const FIRST_BYTES = 9;
