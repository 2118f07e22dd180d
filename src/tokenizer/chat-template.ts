// Renders a conversation to the text that a model was trained to continue.
import { TernionError } from '../errors';
import { parseTemplate, runTemplate, TemplateRaisedError } from './template-guard';
import type { TokenizerSpec } from './spec';

/** One message of a conversation, in the shape that chat templates and chat APIs share. */
export interface ChatMessage {
  /** `system`, `user`, `assistant`; a model's template may know more. */
  role: string;
  content: string;
}

/** What a template is rendered with, besides the messages. */
export interface RenderOptions {
  /** End with the opening of the assistant's turn, so that the model answers. */
  addGenerationPrompt: boolean;
  /** The texts of the begin- and end-of-text tokens; '' if there are none. */
  bosToken: string;
  eosToken: string;
}

/** Where a template comes from: the model's own files, or the family that {@link chatTemplateOf} recognised. */
export type TemplateOrigin = 'file' | 'bitnet' | 'llama-3' | 'chatml' | 'plain';

/**
 * A chat template in Jinja. Templates come from model files, which anyone may have made: one sees only the messages and
 * options, and a template that runs away is stopped within seconds.
 */
export class ChatTemplate {
  readonly #program: ReturnType<typeof parseTemplate>;

  /** @throws TernionError `template-failed` if the source is no Jinja template. */
  constructor(
    readonly source: string,
    readonly origin: TemplateOrigin = 'file',
  ) {
    try {
      this.#program = parseTemplate(source);
    } catch (cause) {
      throw failed('The chat template of this model cannot be read', cause);
    }
  }

  /** @throws TernionError `template-failed` if the template refuses the messages, or fails or runs away on them. */
  render(messages: readonly ChatMessage[], options: RenderOptions): string {
    try {
      return runTemplate(this.#program, {
        messages,
        add_generation_prompt: options.addGenerationPrompt,
        bos_token: options.bosToken,
        eos_token: options.eosToken,
      });
    } catch (cause) {
      if (cause instanceof TemplateRaisedError) {
        throw failed('The chat template of this model does not take these messages', cause);
      }
      throw failed('The chat template of this model failed', cause);
    }
  }
}

/**
 * The template of a model: its own, or where the file has none the one that its family is known to use, told by the
 * vocabulary and the architecture:
 *
 * - BitNet b1.58 with `<|eot_id|>`: `User: Hello<|eot_id|>Assistant: `
 * - `<|start_header_id|>`: the headers of Llama 3
 * - `<|im_start|>`: ChatML
 * - anything else: `User: Hello`, an empty line, `Assistant: `
 */
export function chatTemplateOf(
  spec: Pick<TokenizerSpec, 'chatTemplate' | 'tokens'>,
  architecture: string,
): ChatTemplate {
  if (spec.chatTemplate !== undefined) return new ChatTemplate(spec.chatTemplate);
  const family = familyOf(spec.tokens, architecture);
  return new ChatTemplate(FALLBACKS[family], family);
}

const BITNET =
  "{% for m in messages %}{{ m.role | capitalize + ': ' + m.content | trim + '<|eot_id|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'Assistant: ' }}{% endif %}";

const LLAMA_3 =
  "{% for m in messages %}{{ '<|start_header_id|>' + m.role + '<|end_header_id|>\\n\\n' + m.content | trim + '<|eot_id|>' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|start_header_id|>assistant<|end_header_id|>\\n\\n' }}{% endif %}";

const CHATML =
  "{% for m in messages %}{{ '<|im_start|>' + m.role + '\\n' + m.content + '<|im_end|>\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ '<|im_start|>assistant\\n' }}{% endif %}";

const PLAIN =
  "{% for m in messages %}{{ m.role | capitalize + ': ' + m.content | trim + '\\n\\n' }}{% endfor %}" +
  "{% if add_generation_prompt %}{{ 'Assistant:' }}{% endif %}";

const FALLBACKS = { bitnet: BITNET, 'llama-3': LLAMA_3, chatml: CHATML, plain: PLAIN } as const;

function familyOf(tokens: readonly string[], architecture: string): keyof typeof FALLBACKS {
  // BitNet 2B4T has the whole vocabulary of Llama 3, headers included, so its architecture decides first.
  if (architecture.startsWith('bitnet') && tokens.includes('<|eot_id|>')) return 'bitnet';
  if (tokens.includes('<|start_header_id|>')) return 'llama-3';
  if (tokens.includes('<|im_start|>')) return 'chatml';
  return 'plain';
}

function failed(what: string, cause: unknown): TernionError {
  const reason = cause instanceof Error ? cause.message : String(cause);
  return new TernionError('template-failed', `${what}: ${reason}.`, { cause });
}
