// Writes random models of real shapes to disk as GGUF: `npm run bench -- generate 125m`.

import { stat } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { SHAPES, shapeNamed } from './core/shapes';
import { writeModel } from './write-model';

const USAGE = `Usage: npm run bench -- generate SHAPE [--out FILE] [--seed N] [--architecture NAME]

Shapes: ${Object.keys(SHAPES).join(', ')}
--architecture writes another architecture than the shape's own (bitnet-b1.58, bitnet, llama, qwen3).`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      out: { type: 'string' },
      seed: { type: 'string' },
      architecture: { type: 'string' },
      help: { type: 'boolean' },
    },
  });
  const shape = shapeNamed(positionals[0] ?? '');
  const seed = Number(values.seed ?? 1);
  if (values.help || !shape || !Number.isInteger(seed)) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const { out, architecture } = values;
  const start = performance.now();
  const path = await writeModel(shape, { out, seed, ...(architecture && { architecture }) });
  console.log(`${path}: ${(await stat(path)).size} bytes in ${Math.round(performance.now() - start)} ms`);
}

await main();
