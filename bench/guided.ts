// What restricting tokens costs a decode step: `npm run bench -- guided 700m`. Ways to choose take turns, so that whatever else the
// machine does falls on all of them.

import { parseArgs } from 'node:util';
import { filesAtHand } from '../src/files/model-files';
import { probeCapabilities } from '../src/gpu/capabilities';
import { GpuContext } from '../src/gpu/context';
import { LocalEngine } from '../src/engine/engine';
import { serveGrammars } from '../src/grammar/host/serve';
import type { ThreadPort } from '../src/grammar/protocol';
import { ThreadedGrammars } from '../src/grammar/service';
import { maskOfTokens } from '../src/inference/masks';
import type { TokenGuide } from '../src/inference/token-guide';
import { transformerOf } from './core/internals';
import { median } from './core/measure';
import { digits } from './core/numbers';
import { textTable } from './core/tables';
import { shapeNamed } from './core/shapes';
import { StepBench, type StepChoice } from './core/steps';
import { openDevice } from './node-device';
import { openFile } from './node-file';
import { writeModel } from './write-model';

const USAGE = `Usage: npm run bench -- guided SHAPE [--rounds N] [--steps N] [--context N]

Decodes N steps in each way to choose, N rounds over, and prints each way's median and all its rounds.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      steps: { type: 'string', default: '24' },
      context: { type: 'string', default: '64' },
      help: { type: 'boolean', default: false },
    },
  });
  const shape = shapeNamed(positionals[0] ?? '700m');
  const [rounds, steps, context] = [values.rounds, values.steps, values.context].map(Number) as [
    number,
    number,
    number,
  ];
  if (
    values.help ||
    !shape ||
    ![rounds, steps, context].every((count) => Number.isInteger(count) && count > 0)
  ) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const device = await openDevice();
  const gpu = new GpuContext(device, await probeCapabilities(device));
  const { source, close } = await openFile(await writeModel(shape));
  const files = filesAtHand([{ name: 'model.gguf', bytes: source }]);
  const engine = await LocalEngine.load(gpu, files, { tuning: false });
  const transformer = transformerOf(engine);
  const bench = await StepBench.create(transformer, context + steps + 2);
  const ways = Object.entries({
    ...waysToChoose(transformer.config.vocabularySize),
    'a grammar': { guide: await grammarGuide(transformer.config.vocabularySize) },
  });
  const times = new Map(ways.map(([name]): [string, number[]] => [name, []]));
  for (const [, choice] of ways) await bench.decode(context, 2, undefined, choice);
  for (let round = 0; round < rounds; round++) {
    for (const [name, choice] of ways) {
      times.get(name)?.push(await bench.decode(context, steps, undefined, choice));
    }
  }
  const medians = ways.map(([name]) => median(times.get(name) ?? []));
  console.log(
    textTable({
      title: `${shape} on ${device.adapterInfo.description}: ms a token, ${steps} steps at context ${context}`,
      columns: ['', 'median', 'of the first', 'rounds'],
      rows: ways.map(([name], i) => [
        name,
        digits(medians[i] ?? NaN),
        ((medians[i] ?? NaN) / (medians[0] ?? NaN)).toFixed(2),
        (times.get(name) ?? []).map(digits).join(' '),
      ]),
    }),
  );
  await close();
  device.destroy();
}

function waysToChoose(vocabulary: number): Record<string, StepChoice> {
  const half = Array.from({ length: vocabulary >> 1 }, (_, i) => 2 * i);
  const allowed = { kind: 'some', mask: maskOfTokens(vocabulary, half, []) } as const;
  const guideAfter = (ms: number): TokenGuide => ({
    async after() {
      if (ms > 0) await new Promise((resolve) => setTimeout(resolve, ms));
      return allowed;
    },
  });
  return {
    'no restriction': {},
    'allowedTokens, half of them': { options: { allowedTokens: half } },
    'a guide, at once': { guide: guideAfter(0) },
    'a guide, after 2 ms': { guide: guideAfter(2) },
    logitsProcessor: { options: { logitsProcessor: () => {} } },
  };
}

/** Everything of an answer in JSON but the cutting of what must come: masks of xgrammar, asked for through a port. */
async function grammarGuide(vocabulary: number): Promise<TokenGuide> {
  const encoder = new TextEncoder();
  const letters = 'abcdefghijklmnopqrstuvwxyz0123456789 .,:"[]{}';
  // Each letter, and words of up to four of them; the last token ends an answer.
  const tokens = Array.from({ length: vocabulary }, (_, id) => {
    const text = Array.from({ length: id < letters.length ? 1 : 1 + (id % 4) }, (_, i) =>
      letters.charAt((id * (7 * i + 1) + i) % letters.length),
    );
    return encoder.encode(id === vocabulary - 1 ? '' : text.join(''));
  });
  const service = new ThreadedGrammars(async () => {
    const { port1, port2 } = new MessageChannel();
    serveGrammars(port2);
    return { port: port1 as unknown as ThreadPort, end: () => port1.close() };
  });
  const schema = { type: 'array', items: { type: 'string' }, minItems: 1 };
  const source = { format: { type: 'json', schema } } as const;
  const state = await service.follow({ tokens: () => tokens, endIds: [vocabulary - 1] }, source);
  return {
    async after(tokenIds) {
      const { mask } = await state.after(tokenIds);
      return { kind: 'some', mask };
    },
  };
}

await main();
// Dawn keeps threads of its own.
process.exit();
