// A model for servers to be recorded with: a few kilobytes of weights that say the same words each time, on any server.

import { byteOfCharacter } from '../../src/tokenizer/byte-alphabet';
import { f32, numbers, text, texts, u32, writeGguf, type GgufTensor } from '../../test/support/gguf-writer';

/** What comes after which token: first the likeliest, then what is said where a grammar forbids that. */
type Script = readonly (readonly [after: string, ...choices: string[]])[];

const START = '<|start|>';
const TURN = '<|im_start|>';
const END = '<|im_end|>';

/** Answers of two kinds: the last character of the prompt decides which. Characters outside ASCII come byte by byte, but for " д". */
const WORDS: Script = [
  // Behind a chat's prompt, which ends with a new line.
  ['\n', '<think>\n', '{"n"'],
  ['<think>\n', 'Add.'],
  ['Add.', '\n</think>\n\n'],
  ['\n</think>\n\n', '7'],
  ['7', ' '],
  [' ', '\xf0', '}'],
  ['\xf0', '\x9f'],
  ['\x9f', '\x99'],
  ['\x99', '\x82'],
  ['\x82', ' \xd0\xb4'],
  [' \xd0\xb4', '\xd0'],
  ['\xd0', '\xb0'],
  // Behind a text that ends with a comma.
  [',', ' two', ' deux'],
  [' two', ';'],
  [';', ' three', ' trois'],
  [' three', '.'],
  ['.', 'STOP'],
  ['STOP', '!'],
  // Of an answer that is held to {"n": integer}.
  ['{"n"', ':'],
  [':', '7'],
];

/** A call of a tool, as models of the Hermes kind write one. */
const CALL: Script = [
  ['\n', 'Wait.'],
  ['Wait.', '\n<tool_call>\n'],
  ['\n<tool_call>\n', '{"name": "add", '],
  ['{"name": "add", ', '"arguments": '],
  ['"arguments": ', '{"n": '],
  ['{"n": ', '7'],
  ['7', '}}'],
  ['}}', '\n</tool_call>'],
];

/** The scripts by name. */
export const SCRIPTS = { words: WORDS, call: CALL };

/** Hidden dimensions: no fewer than there are tokens, so that each has one of its own. */
const WIDTH = 320;
const HEADS = 5;

/**
 * A GGUF file of the architecture `llama`, one block of which adds nothing. So the last token's embedding, which is its number in
 * one-hot form, reaches the head, where the token that follows it has weight 1 and the other choice 0.9.
 */
export function scriptedModel(script: Script, template: string): Uint8Array<ArrayBuffer> {
  const tokens = vocabularyOf(script);
  const control = 3;
  return writeGguf({
    metadata: [
      ['general.architecture', text('llama')],
      ['general.name', text('scripted')],
      ['llama.block_count', u32(1)],
      ['llama.context_length', u32(1024)],
      ['llama.embedding_length', u32(WIDTH)],
      ['llama.feed_forward_length', u32(WIDTH)],
      ['llama.attention.head_count', u32(HEADS)],
      ['llama.attention.layer_norm_rms_epsilon', f32(1e-5)],
      ['tokenizer.ggml.model', text('gpt2')],
      ['tokenizer.ggml.pre', text('llama-bpe')],
      ['tokenizer.ggml.tokens', texts(tokens)],
      [
        'tokenizer.ggml.token_type',
        numbers(
          'i32',
          tokens.map((token) => ([START, TURN, END].includes(token) ? control : 1)),
        ),
      ],
      ['tokenizer.ggml.merges', texts([])],
      ['tokenizer.ggml.bos_token_id', u32(tokens.indexOf(START))],
      ['tokenizer.ggml.eos_token_id', u32(tokens.indexOf(END))],
      ['tokenizer.chat_template', text(template)],
    ],
    tensors: tensorsOf(script, tokens),
  });
}

/** All bytes, then the words of the script, then what stands around turns. */
function vocabularyOf(script: Script): string[] {
  const characters = [...byteOfCharacter().keys()];
  const words = script
    .flat()
    .map(written)
    .filter((word) => [...word].length > 1);
  return [...characters, ...new Set(words), START, TURN, END];
}

/** A token in the byte-level alphabet. `token` has a character for each of its bytes. */
function written(token: string): string {
  const characters = [...byteOfCharacter()];
  const characterOf = new Map(characters.map(([character, byte]) => [byte, character]));
  return Array.from(token, (byte) => characterOf.get(byte.charCodeAt(0)) ?? '').join('');
}

function tensorsOf(script: Script, tokens: readonly string[]): GgufTensor[] {
  const count = tokens.length;
  const embedding = new Float32Array(count * WIDTH);
  const head = new Float32Array(count * WIDTH);
  const idOf = (token: string): number => tokens.indexOf(written(token));
  const next = new Map(script.map(([after, ...choices]) => [idOf(after), choices.map(idOf)]));
  const end = tokens.indexOf(END);
  for (let id = 0; id < count; id++) {
    embedding[id * WIDTH + id] = 1;
    const [first = end, other] = next.get(id) ?? [];
    head[first * WIDTH + id] = 1;
    if (other !== undefined) head[other * WIDTH + id] = 0.9;
  }
  const floats = (name: string, shape: number[], values: Float32Array): GgufTensor => {
    return { name, shape, type: 'F32', bytes: new Uint8Array(values.buffer) };
  };
  const ones = (name: string): GgufTensor => floats(name, [WIDTH], new Float32Array(WIDTH).fill(1));
  const matrices = ['attn_q', 'attn_k', 'attn_v', 'attn_output', 'ffn_gate', 'ffn_up', 'ffn_down'];
  return [
    floats('token_embd.weight', [count, WIDTH], embedding),
    ones('output_norm.weight'),
    floats('output.weight', [count, WIDTH], head),
    ...['attn_norm', 'ffn_norm'].map((name) => ones(`blk.0.${name}.weight`)),
    ...matrices.map((name) =>
      floats(`blk.0.${name}.weight`, [WIDTH, WIDTH], new Float32Array(WIDTH * WIDTH)),
    ),
  ];
}
