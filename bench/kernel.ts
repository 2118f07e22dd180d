// Times one kernel's variants in Node: `npm run bench -- kernel ternary_matmul --shape 6912x2560`.

import { parseArgs } from 'node:util';
import { probeCapabilities } from '../src/gpu/capabilities';
import { GpuContext } from '../src/gpu/context';
import type { CacheFormat } from '../src/kernels/kv-layout';
import { CeilingMeter } from './core/ceilings';
import { KERNELS, timeVariants, variantTable } from './core/kernel-bench';
import { describeCeilings, textTable } from './core/tables';
import { openDevice } from './node-device';

const USAGE = `Usage: npm run bench -- kernel NAME [options]

  NAME                one of these, with the shape that it takes (default: that of BitNet b1.58 2B4T):
${Object.entries(KERNELS)
  .map(([name, { dimensions, shape }]) => `                      ${name} ${dimensions} (${shape.join('x')})`)
  .join('\n')}
  --shape AxBxC       the shape
  --tokens N          tokens at once (default 1; more are timed with the variants for prompts)
  --context N         tokens in the context, for attention (default 512)
  --kv-cache FORMAT   how attention finds keys and values: f16, f32 or int8 (default: as the adapter prefers)
  --variant JSON      times this variant; may be given several times (default: the candidates of the adapter)
  --driver NAME       lavapipe, swiftshader, or system (the machine's own GPU)

Efficiency is the least time that this adapter's ceilings allow, over the measured one.`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      shape: { type: 'string' },
      tokens: { type: 'string', default: '1' },
      context: { type: 'string', default: '512' },
      'kv-cache': { type: 'string' },
      variant: { type: 'string', multiple: true },
      help: { type: 'boolean', default: false },
    },
  });
  const [name = ''] = positionals;
  const kernel = Object.hasOwn(KERNELS, name) ? KERNELS[name] : undefined;
  if (values.help || !kernel) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const shape = values.shape ? values.shape.split('x').map(positive) : kernel.shape;
  if (shape.length !== kernel.shape.length) throw new Error(`The shape of ${name} is ${kernel.dimensions}.`);
  const cacheFormat = values['kv-cache'];
  if (cacheFormat !== undefined && !isCacheFormat(cacheFormat))
    throw new Error(`--kv-cache is ${cacheFormat}; it can be f16, f32 or int8.`);
  const { tokens, context } = values;
  const problem = { shape, tokens: positive(tokens), context: positive(context), cacheFormat };
  const device = await openDevice();
  const capabilities = await probeCapabilities(device);
  const meter = await CeilingMeter.create(device, capabilities, { quick: true, few: true });
  const gpu = new GpuContext(device, capabilities);
  const variants = values.variant?.map((json) => JSON.parse(json) as unknown);
  const times = await timeVariants(gpu, kernel, problem, meter.ceilings, variants);
  console.log(`${device.adapterInfo.description}: ${describeCeilings(meter.ceilings)}`);
  console.log(textTable(variantTable(`${name} ${shape.join('x')}, ${problem.tokens} token(s)`, times)));
  if (times.some(({ right }) => !right)) process.exitCode = 1;
  gpu.destroy();
  device.destroy();
}

function isCacheFormat(text: string): text is CacheFormat {
  return ['f16', 'f32', 'int8'].includes(text);
}

function positive(text: string): number {
  const value = Number(text);
  if (Number.isInteger(value) && value > 0) return value;
  throw new Error(`'${text}' is no positive whole number.`);
}

await main();
// Dawn keeps threads of its own.
process.exit();
