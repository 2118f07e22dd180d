// What callers get is typed by the schemas that they give. The compiler checks this file; running it checks nothing.
import { type } from 'arktype';
import * as v from 'valibot';
import { describe, expectTypeOf, test } from 'vitest';
import { z } from 'zod';
import type { Session } from '../../../src/index';

declare const session: Session;

/** Is compiled, and never called. */
function compiled(use: () => unknown): void {
  void use;
}

describe('the type of answer.parsed', () => {
  test('is what a schema of zod gives, not what it takes', () => {
    const schema = z.object({
      city: z.string(),
      degrees: z.string().transform(Number),
      wet: z.boolean().default(false),
    });
    compiled(async () => {
      const answer = await session.complete('x', { responseFormat: { type: 'json', schema } });
      expectTypeOf(answer.parsed).toEqualTypeOf<
        { city: string; degrees: number; wet: boolean } | undefined
      >();
    });
  });

  test('is what schemas of valibot and arktype give', () => {
    const ofValibot = v.object({ city: v.string(), wet: v.optional(v.boolean()) });
    const ofArktype = type({ city: 'string', 'wet?': 'boolean' });
    compiled(async () => {
      const one = await session.complete('x', { responseFormat: { type: 'json', schema: ofValibot } });
      expectTypeOf(one.parsed).toEqualTypeOf<{ city: string; wet?: boolean | undefined } | undefined>();
      const other = await session.complete('x', {
        responseFormat: { type: 'json', schema: ofArktype },
        maxTokens: 9,
      });
      expectTypeOf(other.parsed).toEqualTypeOf<{ city: string; wet?: boolean } | undefined>();
    });
  });

  test('is unknown without a schema, with a JSON Schema, and for other formats', () => {
    compiled(async () => {
      const formats = [
        { type: 'json' },
        { type: 'json', schema: { type: 'object' } },
        { type: 'regex', pattern: 'a' },
      ] as const;
      for (const responseFormat of formats)
        expectTypeOf((await session.complete('x', { responseFormat })).parsed).toEqualTypeOf<unknown>();
      expectTypeOf((await session.complete('x')).parsed).toEqualTypeOf<unknown>();
    });
  });
});

describe('the arguments of a tool that is run', () => {
  test('have the type that its own schema gives', () => {
    compiled(() =>
      session.run('x', {
        temperature: 1,
        tools: {
          weather: {
            description: 'The weather',
            schema: z.object({ city: z.string(), days: z.number().default(1) }),
            execute(args, { signal }) {
              expectTypeOf(args).toEqualTypeOf<{ city: string; days: number }>();
              expectTypeOf(signal).toEqualTypeOf<AbortSignal>();
            },
          },
          time: {
            schema: type({ zone: 'string' }),
            execute: ({ zone }) => expectTypeOf(zone).toEqualTypeOf<string>(),
          },
          plain: {
            schema: { type: 'object', properties: { a: { type: 'string' } } },
            execute: async (args) => expectTypeOf(args).toEqualTypeOf<Record<string, unknown>>(),
          },
        },
      }),
    );
  });
});
