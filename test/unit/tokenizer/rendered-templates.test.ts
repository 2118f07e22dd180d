// Templates of the forms that models come with render as Jinja2 renders them, set up as transformers does it: what it wrote
// is in test/fixtures/chat-templates/rendered.json, made by render.py beside it.
import { expect, it } from 'vitest';
import { toTemplateMessages } from '../../../src/tokenizer/messages';
import { renderedCases, templateSource } from '../../support/rendered-templates';
import { jinjaTemplate } from '../../support/templates';

it.each(renderedCases())('$title', ({ template, tokens, messages, variables, rendered }) => {
  const options = {
    addGenerationPrompt: true,
    bosToken: tokens.bos_token,
    eosToken: tokens.eos_token,
    variables,
  };
  expect(jinjaTemplate(templateSource(template)).render(toTemplateMessages(messages), options)).toBe(
    rendered,
  );
});
