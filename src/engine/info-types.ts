// What an engine says of itself: the contract's figures and names.

import type { LoadTimes } from '../plan/load-clock';
import type { SourceInfo } from '../storage/sources/opened-file';
import type { TemplateOrigin, ToolCallFormat } from '../tokenizer';

/** Whether an engine is one for several tabs. */
export interface SharingInfo {
  shared: boolean;
  /** Of one that is: whether its worker, and so the GPU memory, belongs to this tab. Another tab may take it over later. */
  here?: boolean;
  /** Why it is not, where that was asked for. */
  reason?: string;
}

/** What was loaded, and how it runs. */
export interface ModelInfo {
  /** What kind of files it came from; `gguf-split` is a GGUF model in several. */
  format: 'gguf' | 'gguf-split' | 'safetensors';
  /** Version of the GGUF format; undefined for safetensors. */
  formatVersion: number | undefined;
  /** `general.architecture` as GGUF has it, for example `bitnet-b1.58`, whatever the format. */
  architecture: string;
  name: string;
  /** Most tokens that prompt and answer can have together, in this engine. */
  contextLength: number;
  /** Tokens in the vocabulary. */
  vocabularySize: number;
  /** Weights of all tensors. */
  parameterCount: number;
  /** Bytes of GPU buffers held now: weights, work buffers and KV caches. 0 while the engine is suspended. */
  gpuBytes: number;
  /** How the files store tensors, for example `I2_S`, by their part; `PACKED` is that of safetensors. */
  encodings: {
    /** The matrices of the layers. */
    layers: string;
    embedding: string;
    /** The LM head; the embedding's where the two are one. */
    head: string;
    norms: string;
  };
  tokenizer: {
    kind: 'byte-level BPE' | 'SentencePiece BPE';
    /** How text is cut into words, as GGUF names it; undefined where there is none, or the file has rules of its own. */
    preTokenizer: string | undefined;
  };
  /**
   * Where the chat template comes from: the file, the options that the model was loaded with, or the family that was
   * recognised; `plain` if none was.
   */
  chatTemplate: TemplateOrigin;
  /** How the chat template has the model write calls of tools; undefined if the template knows no tools. */
  toolCalls: ToolCallFormat | undefined;
  /** What was decided against the word of the files or the options, or where files say nothing: whole sentences, for people. */
  adjustments: string[];
  /** The variants of the kernels that run here, and those that gave wrong results on this adapter and never run. */
  kernels: { chosen: Record<string, string>; rejected: string[] };
  /** What the load waited for, ms; after a device was lost, or given back, the load that brought the model onto this one. */
  loadTimes: LoadTimes;
  /** Where the bytes came from: whether the next load finds them in the cache, and if not, why. */
  source: SourceInfo;
  /** Whether other tabs of the origin use the same engine (`shared` of `loadModel`). */
  sharing: SharingInfo;
  /** The adapter as WebGPU describes it; fields are '' where the browser does not say. */
  adapter: { vendor: string; architecture: string; device: string; description: string };
  /** The code path chosen for each capability. */
  codePaths: {
    /**
     * How chunks reach the page: as a transferred stream; over a MessagePort where streams cannot be transferred; or over a
     * BroadcastChannel from the tab that has the engine of all.
     */
    stream: 'local' | 'transferred' | 'message-port' | 'broadcast-channel';
    /** Where attention's scores and sums meet: in registers of a subgroup, or in workgroup memory. */
    reduction: 'subgroups' | 'workgroup';
    /** Half-precision values are stored in 16 bits and computed with in f32; no kernel uses f16 arithmetic yet. */
    f16: 'pack2x16float';
    /**
     * How the KV cache stores keys and values: rounded to f16, in 16 bits, or in 32 where unpacking costs more than reading;
     * or rounded to int8 with a scale for each head and position.
     */
    kvCache: 'f16' | 'f32' | 'int8';
    /** What ternary matrices multiply with: int8 with a scale a token, or one for every 64 columns; or unrounded. */
    activations: 'int8-token' | 'int8-group' | 'f32';
    /**
     * How ternary matrices multiply in decode: four products at a time, by unpacked bytes, or two by one multiplication;
     * or floats, where activations are not int8.
     */
    int8Dot: 'dot4I8Packed' | 'unpack' | 'pairs' | 'floats';
    /** How the embedding is kept: in int8, the same in two planes, in f16, as the ternary codes or in the blocks of the file. */
    embedding: 'int8' | 'planes' | 'f16' | 'ternary' | 'Q4_0' | 'Q4_K' | 'Q6_K';
    /** The same of the LM head; the two are one matrix where the model has one. */
    head: 'int8' | 'planes' | 'f16' | 'ternary' | 'Q4_0' | 'Q4_K' | 'Q6_K';
  };
}
