// What a user of the package writes, entry by entry, and what the types must refuse. `npm run check:package` compiles it against
// the packed tarball, with several versions of TypeScript and ways to resolve modules.

import { createTernion, type TernionEngine } from 'ternion/ai-sdk';
import { connect, loadOrConnect } from 'ternion/connect';
import 'ternion/grammar';
import { loadModel as loadInline, type TuningStore, type WebGpu, type WebGpuDevice } from 'ternion/inline';
import { loadModel as loadUnderNode, serve as serveUnderNode } from 'ternion/node';
import { createFetch } from 'ternion/openai';
import { createLanguageModel } from 'ternion/prompt-api';
import { offer, serve } from 'ternion/service-worker';
import 'ternion/worker';
import { z } from 'zod';
import {
  deleteModel,
  listModels,
  loadModel,
  planModel,
  storageUsage,
  TernionError,
  type Engine,
  type GenerateChunk,
  type ModelPlan,
} from 'ternion';

/** Fails to compile unless `Actual` is `Wanted`, to the letter: what has become `any` is found. */
type Same<Actual, Wanted> =
  (<T>() => T extends Actual ? 1 : 2) extends <T>() => T extends Wanted ? 1 : 2 ? true : never;
const exactly =
  <Wanted>() =>
  <Actual>(value: Actual, same: Same<Actual, Wanted>): unknown =>
    same && value;

export async function inAPage(): Promise<void> {
  const engine = await loadModel('/model.gguf', {
    onProgress: ({ phase, loaded, total }) => console.log(phase, loaded, total),
    createWorker: () => new Worker('/worker.js', { type: 'module' }),
    contextLength: 2048,
  });
  exactly<Engine>()(engine, true);
  const session = engine.createSession();
  for await (const chunk of session.send('Hello', { temperature: 0.7, seed: 1 })) {
    exactly<GenerateChunk>()(chunk, true);
    exactly<string>()(chunk.text, true);
  }
  // @ts-expect-error a temperature is a number
  session.send('Hello', { temperature: 'hot' });
  // @ts-expect-error an option by that name there is not
  session.send('Hello', { temprature: 1 });
  // @ts-expect-error a model is named
  await loadModel(7);
  // @ts-expect-error a context has a length
  await loadModel('/model.gguf', { contextLength: 'long' });
}

export async function whatParses(engine: Engine): Promise<string> {
  const schema = z.object({ city: z.string(), population: z.number() });
  const { parsed } = await engine.createSession().complete('Peru', {
    responseFormat: { type: 'json', schema },
  });
  exactly<{ city: string; population: number } | undefined>()(parsed, true);
  // @ts-expect-error the schema has no such member
  console.log(parsed?.country);
  const { text } = await engine.createSession().run('How warm is it in Oslo?', {
    tools: {
      temperature: {
        schema: z.object({ city: z.string() }),
        execute: ({ city }) => city.toUpperCase(),
      },
    },
  });
  return text;
}

export async function storage(): Promise<number> {
  const plan = await planModel('/model.gguf');
  exactly<ModelPlan>()(plan, true);
  for (const { bytes } of await listModels()) exactly<number>()(bytes, true);
  await deleteModel('/model.gguf').catch((error: unknown) => {
    if (error instanceof TernionError && error.code === 'download-failed') return;
    // @ts-expect-error there is no such code
    if (error instanceof TernionError && error.code === 'no-luck') return;
  });
  return (await storageUsage()).used;
}

export async function withoutAWorker(
  device: WebGpuDevice,
  gpu: WebGpu,
  tuningStore: TuningStore,
): Promise<void> {
  await loadInline(new Uint8Array(64), { device, tuningStore });
  await loadInline(new Uint8Array(64), { device: async () => device });
  await loadInline(new Uint8Array(64), { gpu });
  // @ts-expect-error an address is no device
  await loadInline(new Uint8Array(64), { device: 'gpu:0' });
}

export async function otherShapes(engine: Engine & TernionEngine): Promise<void> {
  // Each entry has its types in a file of its own: those of one are those of another.
  const underNode: Engine = await loadUnderNode('model.gguf');
  const inThisThread: typeof underNode = await loadInline(new Uint8Array(64));
  const server = await serveUnderNode(engine, { port: 0 });
  exactly<string>()(server.url, true);
  await server.close();
  const model = createTernion(engine);
  exactly<string>()(model.modelId, true);
  const answer: Promise<Response> = createFetch(engine)('/v1/models');
  const remote = await connect({ baseURL: 'http://localhost:8080' });
  exactly<string>()(remote.info.model, true);
  console.log(
    await answer,
    underNode,
    inThisThread,
    loadOrConnect,
    createLanguageModel(engine),
    offer,
    serve,
  );
  // @ts-expect-error a server has a number of a port
  await serveUnderNode(engine, { port: 'any' });
}
