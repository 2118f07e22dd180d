// An LM head in two planes: `node tools/head-planes.mjs` reads only the high bits of all rows, in float64, and counts the rows of which the
// low ones are needed; with `--steps 10000` it compares the tokens that such a head chooses with those of one in int8, so many of each
// kind. docs/performance.md has the results.

import { parseArgs } from 'node:util';
import { openDevice } from '../bench/node-device';
import { openFile } from '../bench/node-file';
import { transformerOf } from '../bench/core/internals';
import { digits } from '../bench/core/numbers';
import { textTable } from '../bench/core/tables';
import { LocalEngine } from '../src/engine/engine';
import { filesAtHand } from '../src/files/model-files';
import { parseGguf } from '../src/formats/gguf';
import { halvesToFloats } from '../src/formats/half';
import { probeCapabilities } from '../src/gpu/capabilities';
import { GpuContext } from '../src/gpu/context';
import { KvCache } from '../src/inference/kv-cache';
import { DITHERED, ditheredStep } from './head-planes/dithered';
import { HeadPair, randomModel, type Way } from './head-planes/steps';
import { BOUNDS, candidates, moments, quantized, step, type Codes, type Step } from './head-planes/study';

const EMBEDDED = 'public/models/ternion-tiny-i2_s.gguf';
const SPLITS = [4, 3, 2];
/** Bits of a number, its share of a scale included. */
const BITS = 8.5;

/** A head, and what it is multiplied with. */
interface Subject {
  name: string;
  head: Codes;
  inputs: Float64Array[];
}

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { steps: { type: 'string' } } });
  if (values.steps !== undefined) return compareSteps(Number(values.steps));
  const { head, normal } = randomHead(8192, 2560);
  for (const columns of [0, 25])
    for (const distance of [4.5, 6, 8, 10, 15]) report(randomSubject(head, normal, distance, columns));
  report(await embeddedSubject());
}

const WAYS: readonly Way[] = [
  { name: 'greedy', options: { temperature: 0 } },
  { name: 'temperature 1', options: { temperature: 1 } },
  { name: 'temperature 0.7, top-p 0.9', options: { temperature: 0.7, topP: 0.9 } },
  { name: 'temperature 0.1, top-p 0.9', options: { temperature: 0.1, topP: 0.9 } },
  { name: 'temperature 1, min-p 0.05', options: { temperature: 1, minP: 0.05 } },
];

async function compareSteps(steps: number): Promise<void> {
  const { source } = await openFile(EMBEDDED);
  for (const [name, bytes] of [['embedded', source] as const, ['random', randomModel()] as const]) {
    const pair = await HeadPair.open(bytes);
    const rows: string[][] = [];
    for (const way of WAYS) {
      const { steps: done, differing, contenders } = await pair.compare(steps, way);
      rows.push([way.name, `${done}`, `${differing}`, percent(contenders)]);
    }
    console.log(textTable({ title: name, columns: ['', 'steps', 'differing', 'rows made exact'], rows }));
  }
}

function report({ name, head, inputs }: Subject): void {
  const rows = SPLITS.flatMap((low) => {
    const steps = inputs.map((x) => step(head, x, low));
    return BOUNDS.map((bound) => line(`${8 - low} + ${low}`, bound, steps, low / BITS));
  });
  const steps = inputs.map((x) => ditheredStep(head, x));
  rows.unshift(line('4 + 4', DITHERED, steps, 4 / BITS));
  const tops = steps.map(({ logits }) => {
    const { mean, deviation } = moments(logits);
    return (logits.reduce((most, logit) => Math.max(most, logit), -Infinity) - mean) / deviation;
  });
  const title = `${name}: ${head.rows} × ${head.cols}, ${inputs.length} steps, the best ${digits(average(tops))} deviations above the mean`;
  const columns = [
    'bits',
    'bound',
    '± deviations',
    'rows',
    'at most',
    'to sample',
    'of the bound',
    'bytes saved',
  ];
  console.log(textTable({ title, columns, rows }));
}

/** What comes of one bound, where `unread` of the bytes are not read of all rows. */
function line<Bound extends string>(
  bits: string,
  bound: Bound,
  steps: readonly Step<Bound>[],
  unread: number,
): string[] {
  const shares = steps.map((each) => candidates(each, each.bounds[bound], 0));
  const near = steps.map((each) =>
    candidates(each, each.bounds[bound], SAMPLED * moments(each.logits).deviation),
  );
  const width = steps.map((each) => moments(each.bounds[bound]).mean / moments(each.logits).deviation);
  const used = steps.map(({ errors, bounds }) =>
    errors.reduce((most, error, row) => Math.max(most, Math.abs(error) / bounds[bound][row]!), 0),
  );
  const mean = average(shares);
  return [
    bits,
    bound,
    digits(average(width)),
    percent(mean),
    percent(Math.max(...shares)),
    percent(average(near)),
    percent(Math.max(...used)),
    percent(unread - mean),
  ];
}

/** How far below the best a token still counts, in deviations of the logits: 8 nats, where a deviation is 2.5. */
const SAMPLED = 3.2;

function randomHead(rows: number, cols: number): { head: Codes; normal: () => number } {
  let word = 7;
  const next = (): number => {
    word = (Math.imul(word, 1664525) + 1013904223) >>> 0;
    return (word + 0.5) / 2 ** 32;
  };
  // Box and Muller's transform.
  const normal = (): number => Math.sqrt(-2 * Math.log(next())) * Math.cos(2 * Math.PI * next());
  return { head: quantized(Float32Array.from({ length: rows * cols }, normal), rows, cols), normal };
}

/**
 * Normally distributed inputs that lean towards some row, so that its logit is about `distance` deviations above the mean; the
 * first `columns` of them ten times as large.
 */
function randomSubject(head: Codes, normal: () => number, distance: number, columns: number): Subject {
  const { rows, cols, codes } = head;
  const inputs = Array.from({ length: 4 }, (_, i) => {
    const row = codes.subarray(((i * 1999 + 5) % rows) * cols).subarray(0, cols);
    const x = Float64Array.from({ length: cols }, (_, c) => normal() * (c < columns ? 10 : 1));
    const norm = (values: ArrayLike<number>): number => Math.hypot(...Array.from(values));
    const lean = (distance / Math.sqrt(cols - distance ** 2)) * (norm(x) / norm(row));
    return x.map((value, c) => value + lean * row[c]!);
  });
  return { name: columns > 0 ? `random, ${columns} large columns` : 'random', head, inputs };
}

/** The embedded model's head, and what it multiplied while it answered. */
async function embeddedSubject(): Promise<Subject> {
  const { source, close } = await openFile(EMBEDDED);
  const device = await openDevice();
  const gpu = new GpuContext(device, await probeCapabilities(device));
  const engine = await LocalEngine.load(gpu, filesAtHand([{ name: 'model.gguf', bytes: source }]), {
    tuning: false,
  });
  const { vocabularySize, width } = transformerOf(engine).config;
  const { tensors } = await parseGguf(source);
  const embedding = tensors.get('token_embd.weight');
  if (!embedding || embedding.encoding !== 'F16') throw new Error('The embedding is expected to be F16.');
  const bytes = await source.read(embedding.offset, embedding.byteLength);
  const values = new Float32Array(vocabularySize * width);
  halvesToFloats(new Uint16Array(bytes.slice().buffer), values);
  const inputs: Float64Array[] = [];
  for (const prompt of ['Count from 3 to 9.', 'Count from 12 to 30.', 'Say hello.', 'What is 3 + 4?']) {
    inputs.push(...(await headInputs(engine, prompt)));
  }
  await close();
  device.destroy();
  return { name: 'embedded model', head: quantized(values, vocabularySize, width), inputs };
}

/** What the head multiplies behind each token of a conversation. */
async function headInputs(engine: LocalEngine, prompt: string): Promise<Float64Array[]> {
  const transformer = transformerOf(engine);
  const { gpu, config, work, variants } = transformer;
  const session = engine.createSession();
  const ids: number[] = [];
  for await (const chunk of session.generate([{ role: 'user', content: prompt }], { maxTokens: 50 }))
    ids.push(...chunk.tokenIds);
  await session.dispose();
  const cache = await KvCache.create(gpu, config, ids.length + 1, variants.cacheFormat);
  const pass = await transformer.forwardPass(cache);
  const inputs: Float64Array[] = [];
  for (let length = 1; length <= ids.length; length++) {
    await transformer.prefill(cache, pass, ids.slice(0, length), length - 1);
    const encoder = gpu.device.createCommandEncoder();
    transformer.encodeLast(encoder);
    gpu.device.queue.submit([encoder.finish()]);
    inputs.push(Float64Array.from(new Float32Array(await gpu.read(work.last, 0, config.width * 4))));
  }
  cache.destroy();
  return inputs;
}

function average(values: readonly number[]): number {
  return values.reduce((sum, value) => sum + value, 0) / values.length;
}

function percent(share: number): string {
  return `${(100 * share).toFixed(share < 0.01 ? 2 : 0)} %`;
}

await main();
// Dawn keeps threads of its own.
process.exit();
