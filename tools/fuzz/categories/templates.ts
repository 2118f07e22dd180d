// Chat templates: those of known families, damaged ones, ones made by a grammar, and such that grow without end.

import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import {
  ChatTemplate,
  renderConversation,
  Tokenizer,
  tokenizerSpecFromGguf,
  type ChatMessage,
  type PromptSegment,
  type TemplateOptions,
} from '../../../src/tokenizer';
import { byteOfCharacter } from '../../../src/tokenizer/byte-alphabet';
import { sampleTexts } from '../../../test/support/sample-texts';
import { category, type Category } from '../category';
import type { Draw } from '../draw';
import { oddJson, oddText } from '../mutate';
import { digest } from './bases';
import { grownTemplate, madeTemplate } from './jinja';

const FAMILIES = 'test/fixtures/chat-templates';
/** As src/tokenizer/template-guard.ts and SECURITY.md have it. */
const MAX_TEXT = 1 << 23;

/** A template and what it is rendered with. */
interface TemplateCase {
  source: string;
  messages: ChatMessage[];
  variables: TemplateOptions;
  /** The template is a family's own, so that no text of a message may bring a control token into the prompt. */
  isFamily: boolean;
}

/** Control tokens of all families. */
const CONTROL = [
  '<|begin_of_text|>',
  '<|end_of_text|>',
  '<|eot_id|>',
  '<|start_header_id|>',
  '<|end_header_id|>',
  '<|im_start|>',
  '<|im_end|>',
  '<s>',
  '</s>',
];

/** The category of chat templates. */
export function templatesCategory(): Category {
  const names = readdirSync(FAMILIES).filter((name) => name.endsWith('.jinja'));
  const families = names.map((name) => readFileSync(join(FAMILIES, name), 'utf8'));
  const tokenizer = controlTokenizer();
  return category<TemplateCase>({
    name: 'templates',
    share: 20,
    codes: ['template-failed'],
    generate: (draw) => makeCase(draw, families),
    async run({ source, messages, variables, isFamily }) {
      const template = await ChatTemplate.read(source);
      const render = (of: readonly ChatMessage[]): PromptSegment[] =>
        renderConversation(tokenizer, template, of, { variables });
      const segments = render(messages);
      checkSegments(segments);
      if (isFamily) checkControl(tokenizer, segments, render(messages.map(blank)));
      return digest(segments);
    },
    save: ({ source, ...rest }) => ({
      'template.jinja': source,
      'input.json': JSON.stringify(rest, null, 2),
    }),
    varies: (message) => message.includes('it takes too long'),
  });
}

function controlTokenizer(): Tokenizer {
  const tokens = [...byteOfCharacter().keys(), ...CONTROL];
  const metadata = new Map<string, unknown>([
    ['tokenizer.ggml.model', 'gpt2'],
    ['tokenizer.ggml.pre', 'llama-bpe'],
    ['tokenizer.ggml.tokens', tokens],
    ['tokenizer.ggml.token_type', tokens.map((_, id) => (id < 256 ? 1 : 3))],
    ['tokenizer.ggml.merges', []],
    ['tokenizer.ggml.bos_token_id', 256],
    ['tokenizer.ggml.eos_token_id', 258],
  ]);
  return new Tokenizer(tokenizerSpecFromGguf((key) => metadata.get(key)));
}

function makeCase(draw: Draw, families: readonly string[]): TemplateCase {
  const kind = draw.fraction();
  const source = draw.pick(families);
  const rest = { messages: makeMessages(draw), variables: makeVariables(draw), isFamily: false };
  if (kind < 0.2) return { ...rest, source, isFamily: true, variables: {} };
  if (kind < 0.5) return { ...rest, source: damaged(draw, source) };
  if (kind < 0.96) return { ...rest, source: madeTemplate(draw) };
  return { ...rest, source: grownTemplate(draw) };
}

function makeMessages(draw: Draw): ChatMessage[] {
  const first: ChatMessage[] = draw.chance(0.3) ? [{ role: 'system', content: makeText(draw) }] : [];
  const rest = draw.many(1, 5, (i): ChatMessage => {
    return { role: i % 2 === 0 ? 'user' : 'assistant', content: makeText(draw) };
  });
  return [...first, ...rest];
}

/** Words in many scripts with control tokens, whole ones and halves, spelled out between them. */
function makeText(draw: Draw): string {
  const parts = draw.many(1, 6, () => {
    if (draw.chance(0.3)) return draw.pick(CONTROL);
    if (draw.chance(0.1)) return draw.pick(['<|im_', 'eot_id|>', '{{ bos_token }}', '{% endfor %}', '<']);
    return sampleTexts(1, draw.below(1e6), 6)[0]!;
  });
  return parts.join('') || 'a';
}

function makeVariables(draw: Draw): TemplateOptions {
  return {
    ...(draw.chance(0.3) && {
      tools: draw.many(0, 3, () => ({ type: 'function', function: oddJson(draw) })),
    }),
    ...(draw.chance(0.2) && { enable_thinking: draw.chance(0.5) }),
    ...(draw.chance(0.2) && { extra: oddJson(draw, 3) }),
  };
}

/** The same conversation with nothing in it that could be taken for a control token. */
function blank(message: ChatMessage): ChatMessage {
  return { ...message, content: 'a' };
}

/** One to four changes at places where the syntax has its joints, or anywhere. */
function damaged(draw: Draw, source: string): string {
  let pieces = source.split(/({[{%#]-?|-?[}%#]}|[()[\]|.,]|\s+)/);
  for (let left = draw.between(1, 4); left > 0; left--) {
    const [at, other] = [draw.below(pieces.length), draw.below(pieces.length)];
    pieces = draw.pick<() => string[]>([
      () => pieces.toSpliced(at, 1),
      () => pieces.toSpliced(at, 0, pieces[other]!),
      () => pieces.with(at, pieces[other]!),
      () =>
        pieces.with(
          at,
          draw.chance(0.5) ? oddText(draw) : draw.pick(['messages', 'loop', 'none', '0', '1e9', '*', '~']),
        ),
      () => [...pieces.slice(0, at), ...pieces.slice(other, other + 20), ...pieces.slice(at)],
    ])();
  }
  return pieces.join('');
}

function checkSegments(segments: readonly PromptSegment[]): void {
  const length = segments.reduce((sum, each) => sum + ('text' in each ? each.text.length : 0), 0);
  if (length > MAX_TEXT) throw new Error(`the prompt has ${length} characters; ${MAX_TEXT} are the bound`);
}

/** The control tokens of the prompt are those that the template writes, whatever the messages say. */
function checkControl(
  tokenizer: Tokenizer,
  segments: readonly PromptSegment[],
  blanks: readonly PromptSegment[],
): void {
  const controlOf = (of: readonly PromptSegment[]): string =>
    of.flatMap((each) => ('special' in each ? [tokenizer.tokenText(each.special)] : [])).join(' ');
  const [ours, theirs] = [controlOf(segments), controlOf(blanks)];
  if (ours !== theirs)
    throw new Error(`control tokens came from a message: ${ours}; without its text: ${theirs}`);
}
