// Renders conversations and raw text to ids, so that what a user writes stays text and what a model wrote stays its ids.
import { TernionError } from '../errors';
import {
  ChatTemplate,
  FunctionTemplate,
  type ChatMessage,
  type ConversationTemplate,
  type TemplateFunction,
  type TemplateMessage,
  type TemplateOptions,
} from './chat-template';
import { toTemplateMessages } from './messages';
import type { ReasoningFormat, ReasoningMarks } from './reasoning';
import { toWellFormed, type Tokenizer } from './tokenizer';

/** A piece of a rendered prompt: a control token, or text between control tokens. */
export type PromptSegment = { readonly special: number } | { readonly text: string };

/** How conversations become prompts, where it shall not be as the model's files have it. */
export interface ChatOptions {
  /** A template in Jinja, or a function, in place of the model's own. */
  chatTemplate?: string | TemplateFunction | undefined;
  /** Further variables of the template, such as `tools` and `enable_thinking`. */
  templateOptions?: TemplateOptions | undefined;
}

/** A template for one tokenizer, and the variables that it is rendered with: conversations in, prompts out. */
export class ChatFormat {
  #endIds: ReadonlySet<number> | undefined;
  #reasoning: ReasoningFormat | undefined;
  #severalCalls: boolean | undefined;

  constructor(
    readonly tokenizer: Tokenizer,
    readonly template: ConversationTemplate,
    private readonly variables: TemplateOptions = {},
  ) {}

  /**
   * Tokens that end an answer: those that the tokenizer names, and the control tokens that the template itself writes
   * behind an assistant's message.
   */
  get endIds(): ReadonlySet<number> {
    this.#endIds ??= new Set([...this.tokenizer.endIds, ...this.#endMarks()]);
    return this.#endIds;
  }

  /** The one of these that the template itself writes behind an answer; undefined where nothing ends one. */
  get turnEnd(): number | undefined {
    const [mark] = this.#endMarks();
    return mark ?? this.tokenizer.eosId ?? [...this.endIds][0];
  }

  /**
   * This format with what `options` ask for: another template, or variables over those that are here. Rejects with
   * `template-failed` for a string that is no Jinja template.
   */
  async with({ chatTemplate, templateOptions }: ChatOptions): Promise<ChatFormat> {
    if (chatTemplate === undefined && templateOptions === undefined) return this;
    const template = chatTemplate === undefined ? this.template : await templateOf(chatTemplate);
    return new ChatFormat(this.tokenizer, template, { ...this.variables, ...templateOptions });
  }

  /** Renders `messages`, see {@link renderConversation}. */
  render(messages: readonly ChatMessage[]): PromptSegment[] {
    return renderConversation(this.tokenizer, this.template, messages, { variables: this.variables });
  }

  /** How answers show their reasoning; undefined where the template knows of none. */
  get reasoning(): ReasoningFormat | undefined {
    const marks = this.template.reasoningMarks;
    if (marks) this.#reasoning ??= { marks, opened: this.#opens(marks) };
    return this.#reasoning;
  }

  /**
   * Whether a conversation may have several calls of tools in one answer: the templates of Llama 3.1 and 3.2 take one call and
   * refuse more, so that a second call would be the last thing that was said.
   */
  get takesSeveralCalls(): boolean {
    this.#severalCalls ??= this.#takesCalls(2) || !this.#takesCalls(1);
    return this.#severalCalls;
  }

  #takesCalls(count: number): boolean {
    const calls = Array.from({ length: count }, (_, i) => ({
      id: `call_${i}`,
      type: 'function' as const,
      function: { name: PROBE, arguments: {} },
    }));
    const results = calls.map(({ id }) => ({ role: 'tool', tool_call_id: id, name: PROBE, content: 'a' }));
    const messages = [
      { role: 'user', content: 'a' },
      { role: 'assistant', content: '', tool_calls: calls },
      ...results,
    ];
    return this.#probed(messages, { variables: this.variables }) !== undefined;
  }

  /** Whether what the template writes in front of an answer opens the reasoning and does not close it. */
  #opens({ open, close }: ReasoningMarks): boolean {
    const segments = this.#probed([{ role: 'user', content: PROBE }], { variables: this.variables }) ?? [];
    const prompt = segments
      .map((segment) => ('text' in segment ? segment.text : this.tokenizer.tokenText(segment.special)))
      .join('');
    const opening = prompt.slice(prompt.lastIndexOf(PROBE) + PROBE.length);
    return opening.lastIndexOf(open) > opening.lastIndexOf(close);
  }

  /** Found by having the template write a conversation; one that refuses it (as it may) names no marks. */
  #endMarks(): number[] {
    const user = { role: 'user', content: 'a' };
    const assistant = { role: 'assistant', content: PROBE };
    return [
      [user, assistant],
      [user, assistant, user],
    ].flatMap((messages) => this.#markAfterProbe(messages));
  }

  #markAfterProbe(messages: readonly ChatMessage[]): number[] {
    const segments = this.#probed(messages, { addGenerationPrompt: false }) ?? [];
    const at = segments.findIndex((segment) => 'text' in segment && segment.text.trimEnd().endsWith(PROBE));
    const next = at < 0 ? undefined : segments[at + 1];
    return next && 'special' in next ? [next.special] : [];
  }

  /** A conversation of ours as the template writes it; undefined if it refuses that one. */
  #probed(messages: readonly ChatMessage[], options: ConversationOptions): PromptSegment[] | undefined {
    try {
      return renderConversation(this.tokenizer, this.template, messages, options);
    } catch (error) {
      if (error instanceof TernionError && error.code === 'template-failed') return undefined;
      throw error;
    }
  }
}

/** What no template says by itself. */
const PROBE = 'ternion-probe';

async function templateOf(chatTemplate: string | TemplateFunction): Promise<ConversationTemplate> {
  return typeof chatTemplate === 'string'
    ? ChatTemplate.read(chatTemplate, 'options')
    : new FunctionTemplate(chatTemplate);
}

/**
 * The ids of a text that is to be embedded, with the tokens that the model wants in front and at the end. Control tokens
 * that are spelled out in it stay text.
 */
export function encodeForEmbedding(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.encode(text, { addBos: tokenizer.addBos });
  const { addEos, eosId } = tokenizer;
  return addEos && eosId !== undefined ? [...ids, eosId] : ids;
}

/** What a rendering may ask for. */
export interface ConversationOptions {
  /** End with the opening of the assistant's turn. Default true. */
  addGenerationPrompt?: boolean;
  /** Further variables of the template. Default: none. */
  variables?: TemplateOptions;
}

/**
 * Renders `messages` with `template`. Control tokens are those that the template writes; one that is spelled out in a
 * message, or in a variable, stays plain text. If the model wants a begin-of-text token, the first segment is one, and
 * only the first.
 *
 * How: a character that occurs nowhere in the messages is put inside every control token's text in them (and behind a
 * tail that the text after it could complete). It goes through the template like any other, keeps those texts from being
 * recognised, and is then taken out again.
 *
 * @throws TernionError `template-failed`.
 */
export function renderConversation(
  tokenizer: Tokenizer,
  template: ConversationTemplate,
  messages: readonly ChatMessage[],
  { addGenerationPrompt = true, variables = {} }: ConversationOptions = {},
): PromptSegment[] {
  const marker = unusedCharacter(JSON.stringify([messages, variables]));
  const broken = breakInside([toTemplateMessages(messages), variables], tokenizer, marker);
  const [safeMessages, safeVariables] = broken as [TemplateMessage[], TemplateOptions];
  const rendered = template.render(safeMessages, {
    addGenerationPrompt,
    bosToken: textOf(tokenizer, tokenizer.bosId),
    eosToken: textOf(tokenizer, tokenizer.eosId),
    variables: safeVariables,
  });
  const segments = tokenizer.splitSpecial(toWellFormed(rendered)).flatMap((piece): PromptSegment[] => {
    if ('id' in piece) return [{ special: piece.id }];
    const text = piece.text.replaceAll(marker, '');
    return text === '' ? [] : [{ text }];
  });
  return withBos(tokenizer, segments);
}

/**
 * The ids of a rendered prompt. Where `cachedIds` begin with the same segments, their ids are taken as they are: a
 * model's own answer need not be tokenized to the ids that it sampled, and only equal ids can be reused from a KV cache.
 * From the first difference on everything is tokenized.
 */
export function encodeSegments(
  tokenizer: Tokenizer,
  segments: readonly PromptSegment[],
  cachedIds: readonly number[] = [],
): number[] {
  const ids: number[] = [];
  let matches = true;
  for (const segment of segments) {
    const run = matches ? nextRun(tokenizer, cachedIds, ids.length) : [];
    matches &&= runEquals(tokenizer, run, segment);
    for (const id of matches ? run : encodeSegment(tokenizer, segment)) ids.push(id);
  }
  return ids;
}

/** The ids of raw text: control tokens written in it are recognised, and it begins with one begin-of-text token if the model wants one. */
export function encodeRaw(tokenizer: Tokenizer, text: string): number[] {
  const ids = tokenizer.encode(text, { parseSpecial: true });
  return wantsBos(tokenizer) && ids[0] !== tokenizer.bosId ? [tokenizer.bosId, ...ids] : ids;
}

/** A control token standing alone, or all ids up to the next one. */
function nextRun(tokenizer: Tokenizer, ids: readonly number[], start: number): readonly number[] {
  let end = start;
  while (end < ids.length && !tokenizer.isSpecial(ids[end]!)) end++;
  return ids.slice(start, end === start ? start + 1 : end);
}

function runEquals(tokenizer: Tokenizer, run: readonly number[], segment: PromptSegment): boolean {
  if (run.length === 0) return false;
  if ('special' in segment) return run.length === 1 && run[0] === segment.special;
  return !tokenizer.isSpecial(run[0]!) && tokenizer.decode(run, { trimSpacePrefix: true }) === segment.text;
}

function encodeSegment(tokenizer: Tokenizer, segment: PromptSegment): number[] {
  return 'special' in segment ? [segment.special] : tokenizer.encode(segment.text);
}

function wantsBos(tokenizer: Tokenizer): tokenizer is Tokenizer & { bosId: number } {
  return tokenizer.addBos && tokenizer.bosId !== undefined;
}

function withBos(tokenizer: Tokenizer, segments: PromptSegment[]): PromptSegment[] {
  const [first] = segments;
  const begins = first && 'special' in first && first.special === tokenizer.bosId;
  return wantsBos(tokenizer) && !begins ? [{ special: tokenizer.bosId }, ...segments] : segments;
}

function textOf(tokenizer: Tokenizer, id: number | undefined): string {
  return id === undefined ? '' : tokenizer.tokenText(id);
}

/** A private-use character that is not in `text`. */
function unusedCharacter(text: string): string {
  let code = 0xe000;
  while (text.includes(String.fromCharCode(code))) code++;
  return String.fromCharCode(code);
}

/** A copy of `value` in which no string, key or not, holds a control token's text whole, or a beginning of one at its end. */
function breakInside(value: unknown, tokenizer: Tokenizer, marker: string): unknown {
  if (typeof value === 'string') return breakText(value, tokenizer, marker);
  if (Array.isArray(value)) return value.map((item) => breakInside(item, tokenizer, marker));
  return typeof value === 'object' && value !== null ? breakFields(value, tokenizer, marker) : value;
}

function breakFields(value: object, tokenizer: Tokenizer, marker: string): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(value).map(([key, item]) => [
      breakText(key, tokenizer, marker),
      breakInside(item, tokenizer, marker),
    ]),
  );
}

function breakText(text: string, tokenizer: Tokenizer, marker: string): string {
  const broken = tokenizer
    .splitSpecial(text)
    .map((piece) => ('text' in piece ? piece.text : breakToken(tokenizer.tokenText(piece.id), marker)))
    .join('');
  // Templates trim: what the next text would join is the tail before the spaces at the end.
  const solid = broken.trimEnd();
  return tokenizer.openSpecialTail(solid) < solid.length
    ? solid + marker + broken.slice(solid.length)
    : broken;
}

function breakToken(text: string, marker: string): string {
  const [first = ''] = text;
  return first + marker + text.slice(first.length);
}
