// Checks on the page what structured clone would refuse without saying what it was.

import type { ChatOptions } from '../engine/types';
import { TernionError } from '../errors';
import { checkMessages, checkTemplateOptions } from '../tokenizer/messages';
import type { RemotePrompt } from '../worker/protocol';

/** Throws `invalid-argument` for a template that is a function, and for template options that are no JSON values. */
export function checkChatOptions({ chatTemplate, templateOptions }: ChatOptions): void {
  if (typeof chatTemplate === 'function') {
    const message =
      'A chatTemplate that is a function cannot be sent to the worker. Give one in Jinja, or use ternion/inline.';
    throw new TernionError('invalid-argument', message);
  }
  checkTemplateOptions(templateOptions);
}

/** Throws `invalid-argument` for messages that are none. */
export function checkPrompt(what: RemotePrompt): void {
  if ('prompt' in what && Array.isArray(what.prompt)) checkMessages(what.prompt);
}
