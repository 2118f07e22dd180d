// Renders a conversation to the text that a model was trained to continue.
import { TernionError } from '../errors';
import { FAMILIES, familyOf, type Family } from './family-templates';
import { reasoningMarksIn, type ReasoningMarks } from './reasoning';
import type * as Jinja from './template-guard';
import type { TokenizerSpec } from './spec';
import { toolCallFormatOf, type ToolCallFormat } from './tool-call-format';

/** One message of a conversation, in the shape that chat templates and chat APIs share. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`, `tool`; a model's template may know more. */
  role: string;
  /** Text, or parts of it, which are joined by newlines. Null is nothing, for an assistant that only calls tools. */
  content: string | readonly TextPart[] | null;
  /** The tools that an assistant called. */
  tool_calls?: readonly ToolCall[] | undefined;
  /** Which call a `tool` message answers. */
  tool_call_id?: string | undefined;
  /** Who speaks, or which tool answers. */
  name?: string | undefined;
  /** What a model thought before it answered, for templates that keep it apart. */
  reasoning_content?: string | undefined;
}

/** A part of a message's content. Other types, such as images, are not supported. */
export interface TextPart {
  type: 'text';
  text: string;
}

/** A call that an assistant made, in the shape of the OpenAI API. */
export interface ToolCall {
  id?: string | undefined;
  type?: 'function' | undefined;
  function: { name: string; arguments: string | Readonly<Record<string, unknown>> };
}

/**
 * Further variables of a template, by name, as JSON values: `tools` (a list of JSON schemas), `enable_thinking`, and what
 * else the template of a model knows.
 */
export type TemplateOptions = Readonly<Record<string, unknown>>;

/** What a template is rendered with, besides the messages. */
export interface RenderOptions {
  /** End with the opening of the assistant's turn, so that the model answers. */
  addGenerationPrompt: boolean;
  /** The texts of the begin- and end-of-text tokens; '' if there are none. */
  bosToken: string;
  eosToken: string;
  /** Default: none. */
  variables?: TemplateOptions | undefined;
}

/** A message as templates take it: its content is text. */
export type TemplateMessage = Omit<ChatMessage, 'content'> & { content: string };

/**
 * A template in JavaScript: gives the text that the model is to continue. Control tokens are recognised in it, but not
 * where they come from a message: there they hold a private-use character, which must be left in and is taken out later.
 */
export type TemplateFunction = (
  messages: readonly TemplateMessage[],
  options: Required<RenderOptions>,
) => string;

/**
 * Where a template comes from: the model's own files, the caller's options, or the family that {@link chatTemplateOf}
 * recognised.
 */
export type TemplateOrigin = 'file' | 'options' | Family;

/** Anything that renders conversations. */
export interface ConversationTemplate {
  readonly origin: TemplateOrigin;
  /** What stands around reasoning, if the template says so. */
  readonly reasoningMarks: ReasoningMarks | undefined;
  /** How it has the model write calls of tools; undefined if it knows no tools. */
  readonly toolCalls: ToolCallFormat | undefined;
  /** @throws TernionError `template-failed` if the messages cannot be rendered. */
  render(messages: readonly TemplateMessage[], options: RenderOptions): string;
}

/**
 * A chat template in Jinja. Templates come from model files, which anyone may have made: one sees only the messages and
 * options, and a template that runs away is stopped within seconds.
 */
export class ChatTemplate implements ConversationTemplate {
  readonly reasoningMarks: ReasoningMarks | undefined;
  readonly toolCalls: ToolCallFormat | undefined;
  readonly #program: Jinja.Program;
  readonly #toolProgram: Jinja.Program | undefined;

  /**
   * @param jinja what evaluates templates.
   * @param toolSource the template for conversations with tools, where the model has another one for these.
   * @throws TernionError `template-failed` if a source is no Jinja template.
   */
  constructor(
    private readonly jinja: typeof Jinja,
    source: string,
    readonly origin: TemplateOrigin = 'file',
    toolSource?: string,
  ) {
    this.reasoningMarks = reasoningMarksIn(source);
    this.toolCalls = toolCallFormatOf(toolSource ?? source);
    try {
      this.#program = jinja.parseTemplate(source);
      this.#toolProgram = toolSource === undefined ? undefined : jinja.parseTemplate(toolSource);
    } catch (cause) {
      throw failed(`The chat template of ${this.#owner} cannot be read`, cause);
    }
  }

  /** As the constructor, with what evaluates templates, which is loaded with the first of them. */
  static async read(...about: TemplateArguments): Promise<ChatTemplate> {
    return new ChatTemplate(await import('./template-guard'), ...about);
  }

  /** @throws TernionError `template-failed` if the template refuses the messages, or fails or runs away on them. */
  render(messages: readonly TemplateMessage[], options: RenderOptions): string {
    const { variables = {} } = options;
    const program = variables['tools'] ? (this.#toolProgram ?? this.#program) : this.#program;
    try {
      return this.jinja.runTemplate(program, {
        // As in transformers, where these two are always there.
        tools: null,
        documents: null,
        ...variables,
        messages,
        add_generation_prompt: options.addGenerationPrompt,
        bos_token: options.bosToken,
        eos_token: options.eosToken,
      });
    } catch (cause) {
      if (cause instanceof this.jinja.TemplateRaisedError) {
        throw failed(`The chat template of ${this.#owner} does not take these messages`, cause);
      }
      throw failed(`The chat template of ${this.#owner} failed`, cause);
    }
  }

  get #owner(): string {
    return this.origin === 'options' ? 'the options' : 'this model';
  }
}

/** What a template is made of. */
type TemplateArguments = [source: string, origin?: TemplateOrigin, toolSource?: string];

/** A template that is a function of the caller's. */
export class FunctionTemplate implements ConversationTemplate {
  readonly origin = 'options';
  /** What a function writes is not known before. */
  readonly reasoningMarks = undefined;
  /** Nobody can look into a function: most models write calls in this way. */
  readonly toolCalls = 'hermes';

  constructor(private readonly template: TemplateFunction) {}

  render(messages: readonly TemplateMessage[], { variables = {}, ...options }: RenderOptions): string {
    let rendered: unknown;
    try {
      rendered = this.template(messages, { ...options, variables });
    } catch (cause) {
      throw failed('The chat template of the options failed', cause);
    }
    if (typeof rendered === 'string') return rendered;
    throw new TernionError('template-failed', 'The chat template of the options gave no string.');
  }
}

/** The template of a family, for models whose files have none. */
class FamilyTemplate implements ConversationTemplate {
  readonly reasoningMarks = undefined;
  readonly toolCalls = undefined;

  constructor(readonly origin: Family) {}

  render(messages: readonly TemplateMessage[], { addGenerationPrompt }: RenderOptions): string {
    const { turn, opening } = FAMILIES[this.origin];
    return messages.map(turn).join('') + (addGenerationPrompt ? opening : '');
  }
}

/**
 * The template of a model: its own, or where the file has none (or a placeholder) the one that its family is known to use, told by the
 * vocabulary and the architecture. Rejects with `template-failed` if its own is no Jinja template.
 */
export async function chatTemplateOf(
  spec: Pick<TokenizerSpec, 'chatTemplate' | 'toolTemplate' | 'tokens'>,
  architecture: string,
): Promise<ConversationTemplate> {
  const { chatTemplate, toolTemplate, tokens } = spec;
  if (chatTemplate !== undefined) return ChatTemplate.read(chatTemplate, 'file', toolTemplate);
  return new FamilyTemplate(familyOf(tokens, architecture));
}

function failed(what: string, cause: unknown): TernionError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TernionError('template-failed', `${what}: ${reason}.`, { cause });
}
