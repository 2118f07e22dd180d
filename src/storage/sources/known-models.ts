// Models that can be called by a name: where each is, what it is, and what it takes.

import { TernionError } from '../../errors';
import tinyUrl from '../../../public/models/ternion-tiny-i2_s.gguf?file-url';

/** A model that is known by a name. */
export interface KnownModel {
  /** As people call it. */
  readonly title: string;
  /** What it is good at, in a sentence. */
  readonly goodAt: string;
  /** Its licence: an SPDX identifier, or the name that its makers give it. */
  readonly licence: string;
  /** Its address, as `loadModel` takes it. */
  readonly source: string;
  /** Bytes of the file, rounded where only that is published. */
  readonly downloadBytes: number;
  /** Of the file, in hexadecimal; absent where it could not be computed. */
  readonly sha256?: string;
  /** Most tokens of prompt and answer together that it was made for; absent where that is not published. The file says it too. */
  readonly contextLength?: number;
  /** Bytes that it takes on the GPU with one session of 4096 tokens, or of `contextLength` where that is less; about. */
  readonly gpuBytes: number;
}

/** Names of the models that are known. */
export type ModelName =
  | 'ternion-tiny'
  | 'bitnet-2b4t'
  | 'falcon-e-1b'
  | 'falcon-e-3b'
  | 'falcon3-7b'
  | 'falcon3-10b'
  | 'bonsai-1.7b'
  | 'bonsai-4b'
  | 'bonsai-8b';

const FALCON = 'falcon-llm-license';

const known: Record<ModelName, KnownModel> = {
  'ternion-tiny': {
    title: 'Ternion Tiny',
    goodAt: 'Trying things out: it counts, spells, names capitals, and is part of this package.',
    licence: 'MIT',
    // Asked for, and not a constant: where modules have no address of their own, only this one is without it.
    get source() {
      return tinyUrl();
    },
    downloadBytes: 1_446_080,
    sha256: 'e29ea27e30dd80fcba1a0e76ad411ae60f9af321d4fd92d18e6c556280715043',
    contextLength: 1024,
    gpuBytes: 4.47e6,
  },
  'bitnet-2b4t': {
    title: 'BitNet b1.58 2B4T',
    goodAt:
      'Conversation and simple questions in English, by the first ternary model that was trained at length.',
    licence: 'MIT',
    source: 'hf:microsoft/bitnet-b1.58-2B-4T-gguf/ggml-model-i2_s.gguf',
    downloadBytes: 1.19e9,
    contextLength: 4096,
    gpuBytes: 1.2e9,
  },
  'falcon-e-1b': {
    title: 'Falcon-E 1B Instruct',
    goodAt: 'Short answers and rewriting, where memory is scarce.',
    licence: FALCON,
    source: 'hf:tiiuae/Falcon-E-1B-Instruct-GGUF/ggml-model-i2_s.gguf',
    downloadBytes: 0.67e9,
    gpuBytes: 0.618e9,
  },
  'falcon-e-3b': {
    title: 'Falcon-E 3B Instruct',
    goodAt: 'As Falcon-E 1B, with more knowledge.',
    licence: FALCON,
    source: 'hf:tiiuae/Falcon-E-3B-Instruct-GGUF/ggml-model-i2_s.gguf',
    downloadBytes: 1.0e9,
    gpuBytes: 1.02e9,
  },
  'falcon3-7b': {
    title: 'Falcon3 7B Instruct 1.58',
    goodAt: 'Longer answers in English, French, Spanish and Portuguese.',
    licence: FALCON,
    source: 'hf:tiiuae/Falcon3-7B-Instruct-1.58bit-GGUF/ggml-model-i2_s.gguf',
    downloadBytes: 3.27e9,
    gpuBytes: 3.0e9,
  },
  'falcon3-10b': {
    title: 'Falcon3 10B Instruct 1.58',
    goodAt: 'As Falcon3 7B, on GPUs with more memory.',
    licence: FALCON,
    source: 'hf:tiiuae/Falcon3-10B-Instruct-1.58bit-GGUF/ggml-model-i2_s.gguf',
    downloadBytes: 3.99e9,
    gpuBytes: 3.9e9,
  },
  'bonsai-1.7b': {
    title: 'Ternary-Bonsai 1.7B',
    goodAt: 'Many languages, and calls of tools, with little memory.',
    licence: 'Apache-2.0',
    source: 'hf:prism-ml/Ternary-Bonsai-1.7B-gguf/Ternary-Bonsai-1.7B-Q2_0.gguf',
    downloadBytes: 0.44e9,
    contextLength: 32768,
    gpuBytes: 0.969e9,
  },
  'bonsai-4b': {
    title: 'Ternary-Bonsai 4B',
    goodAt: 'Many languages, reasoning, and calls of tools.',
    licence: 'Apache-2.0',
    source: 'hf:prism-ml/Ternary-Bonsai-4B-gguf/Ternary-Bonsai-4B-Q2_0.gguf',
    downloadBytes: 1.07e9,
    gpuBytes: 1.7e9,
  },
  'bonsai-8b': {
    title: 'Ternary-Bonsai 8B',
    goodAt: 'As Ternary-Bonsai 4B, and better at all of it.',
    licence: 'Apache-2.0',
    source: 'hf:prism-ml/Ternary-Bonsai-8B-gguf/Ternary-Bonsai-8B-Q2_0.gguf',
    downloadBytes: 2.18e9,
    contextLength: 65536,
    gpuBytes: 2.9e9,
  },
};

// Sizes of files are those that are published. What they take on the GPU is what a plan says of their shapes, or docs/models.md.
for (const each of Object.values(known)) Object.freeze(each);

/** The models that `loadModel` and `planModel` know by name. */
export const models: Readonly<Record<ModelName, KnownModel>> = Object.freeze(known);

/** The address of the model of that name; undefined if it is no name of one. */
export function addressOf(name: string): string | undefined {
  return isKnown(name) ? models[name].source : undefined;
}

/** Whether a text could only be a name: nothing in it is of a path or an address, not even the extension of a file. */
export function isNameLike(text: string): boolean {
  return /^[\w.-]+$/.test(text) && !/\.[a-z]\w*$/i.test(text) && !/^\.+$/.test(text);
}

/** The error for a name that no model has. */
export function unknownName(name: string): TernionError {
  const names = Object.keys(models).join(', ');
  const message = `There is no model called '${name}'. Those with a name are ${names}; write './${name}' for a file or folder.`;
  return new TernionError('invalid-argument', message);
}

function isKnown(name: string): name is ModelName {
  return Object.hasOwn(models, name);
}
