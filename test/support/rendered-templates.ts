// What Jinja2 made of the templates in test/fixtures/chat-templates.
import { readFileSync } from 'node:fs';
import type { ChatMessage, TemplateOptions } from '../../src/tokenizer/chat-template';

/** A template, what it was rendered with, and what came of it. */
export interface RenderedCase {
  title: string;
  /** The file's name, without `.jinja`. */
  template: string;
  tokens: { bos_token: string; eos_token: string };
  messages: ChatMessage[];
  variables: TemplateOptions;
  rendered: string;
}

const FOLDER = new URL('../fixtures/chat-templates/', import.meta.url);

export function renderedCases(): RenderedCase[] {
  const text = readFileSync(new URL('rendered.json', FOLDER), 'utf8');
  const cases = JSON.parse(text) as Record<string, Omit<RenderedCase, 'title'>>;
  return Object.entries(cases).map(([title, each]) => ({ title, ...each }));
}

export function renderedCase(title: string): RenderedCase {
  const found = renderedCases().find((each) => each.title === title);
  if (!found) throw new Error(`There is no case '${title}'`);
  return found;
}

/** The source of a template. */
export function templateSource(name: string): string {
  return readFileSync(new URL(`${name}.jinja`, FOLDER), 'utf8');
}
