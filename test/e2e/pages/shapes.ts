// Offers to the tests: answers of a given shape from an engine in a worker, with a schema that reads them on the page.
import {
  loadModel,
  type Answer,
  type Engine,
  type GenerateOptions,
  type StandardSchema,
} from '../../../src/index';
import { createQuick } from './quick';
import { refusal, type Refusal } from './refusal';

let engine: Engine;

const QUESTION = [{ role: 'user', content: 'What is the capital of Peru?' }];

/** Takes what JSON Schema can say, and makes a list of it. */
const CAPITAL: StandardSchema<unknown, [string, boolean]> = {
  '~standard': {
    version: 1,
    vendor: 'page',
    validate: (value) => {
      const { capital, sure } = value as { capital: string; sure: boolean };
      return { value: [capital, sure] };
    },
    jsonSchema: {
      input: () => ({
        type: 'object',
        properties: { capital: { enum: ['Lima', 'Oslo'] }, sure: { type: 'boolean' } },
        required: ['capital', 'sure'],
      }),
    },
  },
};

async function ask(options: GenerateOptions): Promise<Answer> {
  const session = engine.createSession();
  try {
    return await session.complete(QUESTION, options);
  } finally {
    await session.dispose();
  }
}

Object.assign(globalThis, {
  async load(url: string): Promise<void> {
    engine = await loadModel(url, { createWorker: createQuick });
  },
  dispose: () => engine.dispose(),
  ask,
  async askForCapital(options: GenerateOptions): Promise<Answer<[string, boolean]>> {
    const session = engine.createSession();
    const responseFormat = { type: 'json', schema: CAPITAL } as const;
    const answer = await session.complete(QUESTION, { ...options, responseFormat });
    await session.dispose();
    return answer;
  },
  refusal: (options: GenerateOptions): Promise<Refusal | undefined> => refusal(() => ask(options)),
  refusalOfFunction: (): Promise<Refusal | undefined> => refusal(() => ask({ logitsProcessor: () => {} })),
});
