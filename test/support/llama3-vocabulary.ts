// The vocabulary of Llama 3, from a package with an encoder of its own, as the GGUF metadata of a Llama 3 file.
import independent from 'llama3-tokenizer-js';
import { Tokenizer, tokenizerSpecFromGguf, type TokenizerSpec } from '../../src/tokenizer';

/** The package's own encoder, without begin- and end-of-text tokens. */
export function encodeIndependently(text: string): number[] {
  return independent.encode(text, { bos: false, eos: false });
}

/** Pairs of token texts, best merge first. */
export function llama3Merges(): string[] {
  return Array.from(independent.merges)
    .sort(([, a], [, b]) => a - b)
    .map(([pair]) => pair);
}

/** The texts of all 128,256 tokens; those from 128,000 on are control tokens. */
export function llama3Tokens(): string[] {
  return independent.vocabById;
}

export function llama3Metadata(): Map<string, unknown> {
  const tokens = llama3Tokens();
  return new Map<string, unknown>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'llama-bpe'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', Int32Array.from(tokens, (_, id) => (id < 128000 ? 1 : 3))],
    ['tokenizer.ggml.merges', llama3Merges()],
    ['tokenizer.ggml.bos_token_id', 128000],
    ['tokenizer.ggml.eos_token_id', 128001],
  ]);
}

export function llama3Spec(changes: Record<string, unknown> = {}): TokenizerSpec {
  const metadata = llama3Metadata();
  for (const [key, value] of Object.entries(changes)) metadata.set(`tokenizer.ggml.${key}`, value);
  return tokenizerSpecFromGguf((key) => metadata.get(key));
}

export function llama3Tokenizer(changes: Record<string, unknown> = {}): Tokenizer {
  return new Tokenizer(llama3Spec(changes));
}
