// Offers the AI SDK and a page for the Prompt API to the tests, on one engine each.
import { streamText } from 'ai';
import { loadModel, type ChatMessage, type Engine, type GenerateOptions } from '../../../src/index';
import { createTernion } from '../../../src/surfaces/ai-sdk/index';
import { createLanguageModel, installLanguageModel } from '../../../src/surfaces/prompt-api/index';
import { collect } from '../../support/collect';
import * as page from './prompt-api-page';

let engine: Engine;

Object.assign(globalThis, {
  /** Runs the page on a model that its first `create` loads; `ids` are those of all that was answered. */
  async runPage(url: string, seed: number) {
    const native = 'LanguageModel' in globalThis;
    const ids: number[][] = [];
    let begun = true;
    const model = createLanguageModel(url, {
      seed,
      onChunk({ tokenIds, finishReason }) {
        if (begun) ids.push([]);
        ids.at(-1)!.push(...tokenIds);
        begun = finishReason !== undefined;
      },
    });
    const installed = installLanguageModel(model) === model;
    installLanguageModel(model, { replace: true });
    const shown = await page.run();
    return { ...shown, ids: ids.filter(({ length }) => length > 0), replaced: !native === installed };
  },
  load: async (url: string) => void (engine = await loadModel(url)),
  async stream(prompt: string, options: { temperature: number; topK: number; seed: number }) {
    const result = streamText({ model: createTernion(engine), prompt, ...options });
    const pieces: string[] = [];
    for await (const piece of result.textStream as unknown as AsyncIterable<string>) pieces.push(piece);
    return { pieces, metadata: await result.providerMetadata, usage: await result.usage };
  },
  generate: (messages: ChatMessage[], options: GenerateOptions) =>
    collect(engine.createSession().generate(messages, options)),
  dispose: () => engine.dispose(),
});
