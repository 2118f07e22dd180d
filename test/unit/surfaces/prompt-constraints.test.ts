// `responseConstraint` of the Prompt API: what the engine is asked for, what the model is told, and which exceptions there are.
import { createContext, runInContext } from 'node:vm';
import { describe, expect, test } from 'vitest';
import { TernionError } from '../../../src/errors';
import { createLanguageModel, type LanguageModelClass } from '../../../src/surfaces/prompt-api/index';
import { idsOf, ScriptedEngine, type ScriptedAnswer } from '../../support/scripted-engine';

const SCHEMA = { type: 'object', properties: { rating: { type: 'number' } }, required: ['rating'] };
const SCHEMA_WORDS = `JSON schema:\n${JSON.stringify(SCHEMA)}\nAnswer with JSON that matches this schema, and with nothing else.`;

function made(
  answer: ScriptedAnswer = '{"rating": 4}',
  limits: ConstructorParameters<typeof ScriptedEngine>[1] = {},
): { engine: ScriptedEngine; LanguageModel: LanguageModelClass } {
  const engine = new ScriptedEngine(() => answer, limits);
  return { engine, LanguageModel: createLanguageModel(engine) };
}

const failing = (code: TernionError['code'], message: string): ScriptedAnswer => [
  { error: new TernionError(code, message) },
];

describe('a JSON schema', () => {
  test('holds the answer, and is told at the end of what the user says', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    expect(await session.prompt('How good?', { responseConstraint: SCHEMA })).toBe('{"rating": 4}');
    expect(engine.calls[0]!.options.responseFormat).toEqual({ type: 'json', schema: SCHEMA });
    expect(engine.calls[0]!.prompt).toEqual([{ role: 'user', content: `How good?\n\n${SCHEMA_WORDS}` }]);
    await session.prompt('Really?');
    expect(engine.calls[1]!.options).not.toHaveProperty('responseFormat');
  });

  test('streams as text', async () => {
    const session = await made('{}').LanguageModel.create();
    const pieces: string[] = [];
    const stream = session.promptStreaming('x', { responseConstraint: {} });
    for await (const piece of stream as unknown as AsyncIterable<string>) pieces.push(piece);
    expect(pieces).toEqual(['{', '}']);
  });

  test('is not told where the prompt does that', async () => {
    const { engine, LanguageModel } = made();
    const session = await LanguageModel.create();
    const constraint = { responseConstraint: SCHEMA, omitResponseConstraintInput: true };
    await session.prompt('How good?', constraint);
    expect(engine.calls[0]!.prompt).toEqual([{ role: 'user', content: 'How good?' }]);
    expect(engine.calls[0]!.options.responseFormat).toEqual({ type: 'json', schema: SCHEMA });
  });

  test('counts in the context, as it will be told', async () => {
    const session = await made().LanguageModel.create();
    const plain = await session.measureContextUsage('x');
    const told = await session.measureContextUsage('x', { responseConstraint: SCHEMA });
    // Two line breaks stand between.
    expect(told - plain).toBe(SCHEMA_WORDS.length + 2);
    const constraint = { responseConstraint: SCHEMA, omitResponseConstraintInput: true };
    expect(await session.measureContextUsage('x', constraint)).toBe(plain);
  });

  test('is of what follows a prefix', async () => {
    const { engine, LanguageModel } = made('4}');
    const session = await LanguageModel.create();
    const messages = [
      { role: 'user' as const, content: 'How good?' },
      { role: 'assistant' as const, content: '{"rating": ', prefix: true },
    ];
    await session.prompt(messages, { responseConstraint: /\d\}/ });
    const { promptIds, options } = engine.calls[0]!;
    expect(options.responseFormat).toEqual({ type: 'regex', pattern: '\\d\\}' });
    expect(promptIds.slice(-3)).toEqual(idsOf('": '));
  });

  test('that cannot be enforced is a NotSupportedError, and the prompt is forgotten', async () => {
    const { LanguageModel } = made(failing('unsupported-feature', "The keyword 'not' is not enforced."));
    const session = await LanguageModel.create();
    const refused = session.prompt('x', { responseConstraint: { not: {} } });
    await expect(refused).rejects.toMatchObject({
      name: 'NotSupportedError',
      message: "The keyword 'not' is not enforced.",
      cause: { code: 'unsupported-feature' },
    });
    expect(session.contextUsage).toBe(0);
  });

  test('that is none is a TypeError', async () => {
    const { LanguageModel } = made(failing('invalid-argument', 'type must be a string.'));
    const session = await LanguageModel.create();
    const cyclic: { self?: object } = {};
    cyclic.self = cyclic;
    for (const responseConstraint of [{ type: 7 }, [], cyclic, { toJSON: () => undefined }, () => {}])
      await expect(session.prompt('x', { responseConstraint })).rejects.toBeInstanceOf(TypeError);
    await expect(session.prompt('x', { responseConstraint: 'x' as never })).rejects.toBeInstanceOf(TypeError);
  });

  test('that the context leaves no room for is a SyntaxError', async () => {
    const { LanguageModel } = made('{"rating": 4}', { contextLength: 16 });
    const session = await LanguageModel.create();
    const cut = session.prompt('x', { responseConstraint: {}, omitResponseConstraintInput: true });
    await expect(cut).rejects.toMatchObject({ name: 'SyntaxError' });
    expect(session.contextUsage).toBe(0);
  });
});

describe('a regular expression', () => {
  test('holds the answer as a whole, and is told', async () => {
    const { engine, LanguageModel } = made('ab');
    const session = await LanguageModel.create();
    expect(await session.prompt('x', { responseConstraint: /^[a-c]+$/u })).toBe('ab');
    expect(engine.calls[0]!.options.responseFormat).toEqual({ type: 'regex', pattern: '^[a-c]+$' });
    expect(engine.calls[0]!.prompt).toEqual([
      {
        role: 'user',
        content:
          'x\n\nRegular expression:\n^[a-c]+$\nAnswer with text that matches it as a whole, and with nothing else.',
      },
    ]);
  });

  test('may be that of the HTML standard for addresses, which has escapes that need no flag', async () => {
    const session = await made('a@b.org').LanguageModel.create();
    const label = '[a-zA-Z0-9](?:[a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?';
    const pattern = `^[a-zA-Z0-9.!#$%&'*+\\/=?^_\`{|}~-]+@${label}(?:\\.${label})*$`;
    const responseConstraint = new RegExp(pattern);
    expect(await session.prompt('x', { responseConstraint })).toBe('a@b.org');
  });

  test('may come from another frame', async () => {
    const { engine, LanguageModel } = made('a');
    const session = await LanguageModel.create();
    const responseConstraint = runInContext('/a/', createContext()) as RegExp;
    expect(responseConstraint).not.toBeInstanceOf(RegExp);
    await session.prompt('x', { responseConstraint });
    expect(engine.calls[0]!.options.responseFormat).toEqual({ type: 'regex', pattern: 'a' });
  });

  test.each([/a/, /a/d, /a/g, /a/u, new RegExp('[a-c]', 'v'), /a/dgu])(
    '%s has flags that change nothing',
    async (constraint) => {
      const session = await made('a').LanguageModel.create();
      expect(await session.prompt('x', { responseConstraint: constraint })).toBe('a');
    },
  );

  test.each<[string, RegExp[]]>([
    ['flags', [/a/i, /a/m, /a/s, /a/y]],
    ['sets', ['[\\w--\\d]', '[[a-z]&&[aeiou]]', '[\\q{ab}]'].map((source) => new RegExp(source, 'v'))],
    ['syntax', ['\\-', '{'].map((source) => new RegExp(source))],
  ])('is a NotSupportedError with %s that mean something else', async (_, constraints) => {
    const { engine, LanguageModel } = made('a');
    const session = await LanguageModel.create();
    for (const responseConstraint of constraints)
      await expect(session.prompt('x', { responseConstraint })).rejects.toMatchObject({
        name: 'NotSupportedError',
      });
    expect(engine.calls).toEqual([]);
  });

  test('that is too much to compile is a NotSupportedError', async () => {
    const session = await made(failing('invalid-argument', 'It takes too long.')).LanguageModel.create();
    await expect(session.prompt('x', { responseConstraint: /(a{9}){9}/ })).rejects.toMatchObject({
      name: 'NotSupportedError',
      cause: { code: 'invalid-argument' },
    });
  });

  test('without the flag u sees two characters in an emoji, so an answer may not match', async () => {
    const session = await made('🙂').LanguageModel.create();
    expect(await session.prompt('x', { responseConstraint: /^.$/u })).toBe('🙂');
    await expect(session.prompt('x', { responseConstraint: /^.$/ })).rejects.toMatchObject({
      name: 'SyntaxError',
    });
  });
});

test('what is left out must be there', async () => {
  const session = await made().LanguageModel.create();
  await expect(session.prompt('x', { omitResponseConstraintInput: true })).rejects.toBeInstanceOf(TypeError);
});

test('a session with tools takes no constraint', async () => {
  const { engine, LanguageModel } = made('x', { toolCalls: 'hermes' });
  const tool = { name: 'f', description: '', inputSchema: {}, execute: async () => '' };
  const session = await LanguageModel.create({ tools: [tool] });
  await expect(session.prompt('x', { responseConstraint: {} })).rejects.toMatchObject({
    name: 'NotSupportedError',
  });
  expect(engine.calls).toEqual([]);
});
