// What sampling costs a decode step: `npm run bench -- sampling 125m`. Ways to choose take turns, so that whatever else the
// machine does falls on all of them.

import { parseArgs } from 'node:util';
import { LocalEngine } from '../src/engine/engine';
import { filesAtHand } from '../src/files/model-files';
import { probeCapabilities } from '../src/gpu/capabilities';
import { GpuContext } from '../src/gpu/context';
import { transformerOf } from './core/internals';
import { median } from './core/measure';
import { digits } from './core/numbers';
import { textTable } from './core/tables';
import { shapeNamed } from './core/shapes';
import { StepBench, type StepChoice } from './core/steps';
import { openDevice } from './node-device';
import { openFile } from './node-file';
import { writeModel } from './write-model';

const USAGE = `Usage: npm run bench -- sampling SHAPE [--rounds N] [--steps N] [--context N] [--temperature T] [--head int8|planes]

Decodes N steps in each way to choose, N rounds over, and prints the median time of a step, and its least CPU time,
which on a software adapter is the adapter's. Weights are random, and so are logits: at --temperature 1 they are flat, and at 0.05 about
as peaked as those of a model that knows what comes next. --head planes keeps the LM head in planes.`;

const HEADS = ['int8', 'planes'] as const;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      rounds: { type: 'string', default: '5' },
      steps: { type: 'string', default: '24' },
      context: { type: 'string', default: '64' },
      temperature: { type: 'string', default: '1' },
      head: { type: 'string', default: 'int8' },
      help: { type: 'boolean', default: false },
    },
  });
  const shape = shapeNamed(positionals[0] ?? '125m');
  const [rounds, steps, context] = [values.rounds, values.steps, values.context].map(Number);
  const temperature = Number(values.temperature);
  const head = HEADS.find((each) => each === values.head);
  if (values.help || !shape || !rounds || !steps || !context || !(temperature > 0) || !head) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const device = await openDevice();
  const gpu = new GpuContext(device, await probeCapabilities(device));
  const { source, close } = await openFile(await writeModel(shape));
  const files = filesAtHand([{ name: 'model.gguf', bytes: source }]);
  const engine = await LocalEngine.load(gpu, files, { tuning: false, headPrecision: head });
  const bench = await StepBench.create(transformerOf(engine), context + steps + 2);
  const ways = Object.entries(waysToChoose(temperature)).map(([name, choice]) => {
    return { name, choice, wall: [] as number[], cpu: [] as number[] };
  });
  for (const { choice } of ways) await bench.decode(context, 2, undefined, choice);
  for (let round = 0; round < rounds; round++) {
    for (const { choice, wall, cpu } of ways) {
      const before = process.cpuUsage();
      wall.push(await bench.decode(context, steps, undefined, choice));
      const { user, system } = process.cpuUsage(before);
      cpu.push((user + system) / 1000 / steps);
    }
  }
  const first = ways[0];
  console.log(
    textTable({
      title: `${shape} on ${device.adapterInfo.description}: ms a token, ${steps} steps at context ${context}, temperature ${temperature}, head in ${head}`,
      columns: ['', 'median', 'of the first', 'least CPU', 'of the first', 'rounds of CPU'],
      rows: ways.map(({ name, wall, cpu }) => [
        name,
        digits(median(wall)),
        (median(wall) / median(first?.wall ?? [])).toFixed(2),
        digits(Math.min(...cpu)),
        (Math.min(...cpu) / Math.min(...(first?.cpu ?? []))).toFixed(2),
        cpu.map(digits).join(' '),
      ]),
    }),
  );
  await close();
  device.destroy();
}

function waysToChoose(temperature: number): Record<string, StepChoice> {
  return {
    greedy: { options: { temperature: 0 } },
    temperature: { options: { temperature, topK: 0, topP: 1 } },
    'top-p 0.9': { options: { temperature, topK: 0, topP: 0.9 } },
    'top-k 40, top-p 0.9': { options: { temperature, topK: 40, topP: 0.9 } },
    'min-p 0.05': { options: { temperature, topK: 0, topP: 1, minP: 0.05 } },
  };
}

await main();
// Dawn keeps threads of its own.
process.exit();
