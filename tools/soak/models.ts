// The models of the soak, and what they answer when nobody disturbs them.

import { readFile } from 'node:fs/promises';
import type { Engine } from '../../src/inline';
import { collect } from '../../test/support/collect';

const FOLDER = 'test/fixtures/models';
const SAFETENSORS = `${FOLDER}/ternion-tiny-safetensors`;

/** A model's files; paths are from the root of the repository, where the tools run. */
export interface SoakModel {
  name: string;
  /** Of one file: its bytes. Of several: the files. */
  source: Uint8Array<ArrayBuffer> | readonly File[];
}

/** The embedded model in all forms that the repository has of it. */
export async function readModels(): Promise<SoakModel[]> {
  const paths = [
    'public/models/ternion-tiny-i2_s.gguf',
    `${FOLDER}/ternion-tiny-tq1_0.gguf`,
    `${FOLDER}/ternion-tiny-tq2_0.gguf`,
  ];
  const single = await Promise.all(
    paths.map(async (path) => ({
      name: path.split('/').at(-1)!,
      source: Uint8Array.from(await readFile(path)),
    })),
  );
  const names = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
  const files = names.map(async (name) => new File([await readFile(`${SAFETENSORS}/${name}`)], name));
  return [...single, { name: 'safetensors', source: await Promise.all(files) }];
}

/** A question of test/fixtures/prompts.json with its greedy answer by a float64 reference. */
interface Golden {
  messages: { role: string; content: string }[];
  greedy: number[];
  /** How many of the ids do not depend on rounding. */
  sure: number;
}

/** A question and the answer to it. */
export interface KnownAnswer {
  messages: { role: string; content: string }[];
  tokenIds: number[];
  text: string;
  /** None of its tokens depends on rounding: it stays the same where a lost device makes tokens part of a prompt. */
  isSure: boolean;
}

/** What a model says when nobody disturbs it. */
export interface Known {
  answers: KnownAnswer[];
  /** Of the first question's ids. */
  logits: { tokenIds: number[]; values: Float32Array };
}

/** Answers of at most so many tokens are asked for again and again. */
const LONGEST = 60;

/** The questions that the soak asks. */
export async function readQuestions(): Promise<Golden[]> {
  const all = JSON.parse(await readFile('test/fixtures/prompts.json', 'utf8')) as Golden[];
  return all.filter(({ greedy }) => greedy.length <= LONGEST);
}

/** Asks all questions of an engine that does nothing else. Throws if an answer is not the reference's. */
export async function askUndisturbed(engine: Engine, questions: readonly Golden[]): Promise<Known> {
  const answers: KnownAnswer[] = [];
  for (const { messages, greedy, sure } of questions) {
    const session = engine.createSession();
    const { tokenIds, text } = await collect(session.generate(messages));
    await session.dispose();
    const agrees = greedy.slice(0, sure).every((id, i) => tokenIds[i] === id);
    if (!agrees) throw new Error(`The answer to ${JSON.stringify(messages)} is not the reference's: ${text}`);
    answers.push({ messages, tokenIds, text, isSure: sure >= tokenIds.length });
  }
  const tokenIds = answers[0]!.tokenIds.slice(0, 8);
  return { answers, logits: { tokenIds, values: await engine.nextLogits(tokenIds) } };
}
