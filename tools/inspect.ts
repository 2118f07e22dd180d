// Looks into the layers of a model: `npm run inspect -- tiny "Hello" --layer 3`. tools/inspect.mjs has chosen the driver.

import { open, type FileHandle } from 'node:fs/promises';
import { parseArgs } from 'node:util';
import { openDevice } from '../bench/node-device';
import { openModelFiles } from '../bench/node-file';
import { probeCapabilities } from '../src/gpu/capabilities';
import { GpuContext } from '../src/gpu/context';
import type { Variants } from '../src/inference/variants';
import { encodeRaw } from '../src/tokenizer';
import { difference } from './inspect/compare';
import { inspectLayers } from './inspect/layers';
import { findingsTable, firstValues, jsonLine, verdict, type Finding } from './inspect/report';
import { loadSubject, mostTokens, type Subject } from './inspect/subject';

const EMBEDDED = 'public/models/ternion-tiny-i2_s.gguf';
const DUMPED = 8;

const USAGE = `Usage: npm run inspect -- MODEL "prompt" [options]

Runs the prompt's tokens through the model, kernel by kernel, and compares what each one wrote with its formula in float64,
computed from what the kernel before wrote and from the weights in the file. Exits with 1 if one differs.

  MODEL               tiny (the embedded model), or the path of a GGUF file
  --layer N           only this layer, counted from 0 (default: all, and the embedding, the last norm and the logits)
  --precision P       fast (default) or exact
  --variants JSON     kernel variants to run, for example {"normThreads": 64}
  --dump              shows the first ${DUMPED} values of both
  --json FILE         writes every result whole, one a line
  --driver NAME       lavapipe, swiftshader, or system (the machine's own GPU)`;

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    allowPositionals: true,
    options: {
      layer: { type: 'string' },
      precision: { type: 'string', default: 'fast' },
      variants: { type: 'string' },
      dump: { type: 'boolean', default: false },
      json: { type: 'string' },
      help: { type: 'boolean', default: false },
    },
  });
  const [model, prompt] = positionals;
  if (values.help || model === undefined || prompt === undefined) {
    console.log(USAGE);
    process.exitCode = values.help ? 0 : 1;
    return;
  }
  const { precision } = values;
  if (precision !== 'fast' && precision !== 'exact')
    throw new Error(`--precision is ${precision}; it can be fast or exact.`);
  const variants = values.variants === undefined ? {} : (JSON.parse(values.variants) as Partial<Variants>);
  const device = await openDevice();
  const gpu = new GpuContext(device, await probeCapabilities(device));
  const { files, close } = await openModelFiles(model === 'tiny' ? EMBEDDED : model);
  const json = values.json === undefined ? undefined : await open(values.json, 'w');
  try {
    const subject = await loadSubject(gpu, files, { precision, variants });
    const first = await show(subject, prompt, {
      layer: layerOf(values.layer, subject),
      dump: values.dump,
      json,
    });
    console.log(`\n${verdict(first)}`);
    if (first) process.exitCode = 1;
  } finally {
    await json?.close();
    await close();
    gpu.destroy();
    device.destroy();
  }
}

interface ShowOptions {
  layer: number | undefined;
  dump: boolean;
  json: FileHandle | undefined;
}

/** Prints a table for each layer as it is done; resolves to the first finding that differs. */
async function show(
  subject: Subject,
  prompt: string,
  { layer, dump, json }: ShowOptions,
): Promise<Finding | undefined> {
  const { transformer } = subject;
  const ids = promptIds(subject, prompt);
  console.log(
    `${transformer.gpu.device.adapterInfo.description}, ${ids.length} token(s), ${transformer.activations}`,
  );
  let first: Finding | undefined;
  let findings: Finding[] = [];
  const flush = (): void => {
    const at = findings[0]?.compared.layer;
    if (findings.length > 0)
      console.log(`\n${findingsTable(at === undefined ? 'Outside of layers' : `Layer ${at}`, findings)}`);
    if (dump) for (const { compared } of findings) console.log(firstValues(compared, DUMPED));
    findings = [];
  };
  for await (const compared of inspectLayers(subject, ids, { layer })) {
    if (findings.length > 0 && findings[0]!.compared.layer !== compared.layer) flush();
    const finding = { compared, difference: difference(compared) };
    if (finding.difference.beyond > 0) first ??= finding;
    await json?.write(`${jsonLine(finding)}\n`);
    findings.push(finding);
  }
  flush();
  return first;
}

function promptIds({ tokenizer, transformer }: Subject, prompt: string): number[] {
  const ids = encodeRaw(tokenizer, prompt);
  if (ids.length === 0) throw new Error('The prompt has no tokens.');
  const most = mostTokens(transformer);
  if (ids.length > most) console.log(`The prompt has ${ids.length} tokens; the first ${most} are evaluated.`);
  return ids.slice(0, most);
}

function layerOf(text: string | undefined, { model }: Subject): number | undefined {
  if (text === undefined) return undefined;
  const layer = Number(text);
  const { layers } = model.config;
  if (/^\d+$/.test(text) && layer < layers) return layer;
  throw new Error(`There is no layer '${text}'; the model has those from 0 to ${layers - 1}.`);
}

try {
  await main();
} catch (error) {
  console.error((error as Error).message);
  process.exitCode = 1;
}
// Dawn keeps threads of its own.
process.exit();
