// What a page does with an engine: each action uses it in one way, and looks at what comes of it.

import type { GenerateChunk, GenerateOptions, Session } from '../../src/inline';
import { TernionError, type Engine, type TernionErrorCode } from '../../src/inline';
import { toWellFormed } from '../../src/tokenizer/tokenizer';
import { sampleTexts } from '../../test/support/sample-texts';
import type { Draw } from '../fuzz/draw';
import type { Known, KnownAnswer } from './models';

/** What an action is done with. */
export interface Stage {
  engine: Engine;
  draw: Draw;
  known: Known;
  figures: ActionFigures;
  /** The engine's model was taken away: answers may end early, and calls fail as that has it. */
  isDisturbed: () => boolean;
  /** The engine's device was taken away: answers go on, but for tokens that depend on rounding. */
  lostDevice: () => boolean;
}

/** What was done. */
export interface ActionFigures {
  actions: number;
  /** Answers, logits and texts that were compared with known ones. */
  compared: number;
  cancelled: number;
  aborted: number;
  disposed: number;
  refused: number;
  /** Actions that ended early because the model was taken away. */
  interrupted: number;
}

/** Nothing was done yet. */
export function noActions(): ActionFigures {
  return { actions: 0, compared: 0, cancelled: 0, aborted: 0, disposed: 0, refused: 0, interrupted: 0 };
}

export type Action = (stage: Stage) => Promise<void>;

/** All actions. */
export const ACTIONS: Readonly<Record<string, Action>> = {
  known: askKnown,
  'known, again': askKnown,
  seeded: askTwice,
  cancel: cancelAnswer,
  abort: abortAnswer,
  dispose: disposeAmidAnswer,
  leave: leaveAnswer,
  conversation: converse,
  copy: askCopy,
  logits: compareLogits,
  texts: compareTexts,
  misuse: misuse,
};

/** A reader's pace: reads at once, or after waits that are longer than the engine lets a reader keep the GPU. */
type Pace = () => Promise<void>;

function paceOf(draw: Draw): Pace {
  const most = draw.pick([0, 0, 5, 120]);
  return most === 0 ? async () => {} : () => new Promise((resolve) => setTimeout(resolve, draw.below(most)));
}

async function askKnown(stage: Stage): Promise<void> {
  const answer = stage.draw.pick(stage.known.answers);
  const chunks = await withSession(stage, (session) =>
    readAll(session.generate(answer.messages), paceOf(stage.draw)),
  );
  compareAnswer(stage, answer, chunks);
}

function compareAnswer(
  { figures, isDisturbed, lostDevice }: Stage,
  answer: KnownAnswer,
  chunks: readonly GenerateChunk[],
): void {
  const [ids, text] = [idsOf(chunks), textOf(chunks)];
  const wasCut = chunks.at(-1)?.finishReason === 'abort' && isDisturbed();
  const isSame = wasCut
    ? ids.every((id, i) => id === answer.tokenIds[i]) && isBeginning(text, answer.text)
    : ids.join() === answer.tokenIds.join() && text === answer.text;
  if (!isSame && lostDevice() && !answer.isSure) return;
  if (!isSame)
    throw new Error(
      `The answer differs: ${JSON.stringify(text)}; undisturbed: ${JSON.stringify(answer.text)}`,
    );
  figures.compared++;
}

/** Whether `text` is what an answer begins with. One that is cut amid a character ends with replacement characters. */
export function isBeginning(text: string, whole: string): boolean {
  return whole.startsWith(text.replace(/\uFFFD+$/, ''));
}

/** Same seed, same options, same adapter: same tokens, whatever the others do. */
async function askTwice(stage: Stage): Promise<void> {
  const { draw, known, figures, isDisturbed, lostDevice } = stage;
  const { messages } = draw.pick(known.answers);
  const options = { ...randomOptions(draw), maxTokens: draw.between(2, 24) };
  const answers: GenerateChunk[][] = [];
  for (let i = 0; i < 2; i++)
    answers.push(
      await withSession(stage, (session) => readAll(session.generate(messages, options), paceOf(draw))),
    );
  if (isDisturbed() || lostDevice()) return;
  const [first, second] = answers.map((chunks) => JSON.stringify([idsOf(chunks), textOf(chunks)]));
  if (first !== second)
    throw new Error(`With ${JSON.stringify(options)} it said ${first}, and then ${second}`);
  figures.compared++;
}

async function cancelAnswer(stage: Stage): Promise<void> {
  const { draw, known, figures } = stage;
  await withSession(stage, async (session) => {
    const reader = session.generate(draw.pick(known.answers).messages, randomOptions(draw)).getReader();
    await readSome(reader, draw.below(6));
    await reader.cancel();
    figures.cancelled++;
    // The session goes on from what was read.
    await readAll(session.send('And then?', { maxTokens: 4 }), paceOf(draw));
  });
}

async function abortAnswer(stage: Stage): Promise<void> {
  const { draw, known, figures } = stage;
  const aborted = new AbortController();
  await withSession(stage, async (session) => {
    const options = { ...randomOptions(draw), signal: aborted.signal };
    const reader = session.generate(draw.pick(known.answers).messages, options).getReader();
    await readSome(reader, draw.below(6));
    aborted.abort();
    const rest = await readRest(reader);
    const reason = rest.at(-1)?.finishReason;
    if (rest.length > 1 && reason !== 'abort')
      throw new Error(`${rest.length} chunks came after an abort (${reason})`);
    figures.aborted++;
  });
}

async function disposeAmidAnswer(stage: Stage): Promise<void> {
  const { engine, draw, known, figures } = stage;
  const session = engine.createSession();
  const reader = session.generate(draw.pick(known.answers).messages, randomOptions(draw)).getReader();
  await readSome(reader, draw.between(1, 5));
  await session.dispose();
  await readRest(reader);
  await expectCode(stage, ['disposed'], () => readAll(session.generate('Hello'), async () => {}));
  figures.disposed++;
}

/** A reader that goes away amid an answer, for good: the others have the GPU all the same. */
async function leaveAnswer(stage: Stage): Promise<void> {
  const { draw, known } = stage;
  await withSession(stage, async (session) => {
    const reader = session.generate(draw.pick(known.answers).messages).getReader();
    await readSome(reader, draw.between(1, 3));
    await new Promise((resolve) => setTimeout(resolve, draw.below(300)));
  });
}

async function converse(stage: Stage): Promise<void> {
  const { draw, engine } = stage;
  await withSession(stage, async (session) => {
    for (let turns = draw.between(2, 4); turns > 0; turns--) {
      const text = draw.pick(['Count from 3 to 9.', 'Who are you?', 'Why?', 'Go on.']);
      await readAll(
        session.send(text, { ...randomOptions(draw), maxTokens: draw.between(1, 16) }),
        paceOf(draw),
      );
      const { length } = session.tokenIds;
      if (length > engine.info.contextLength) throw new Error(`The cache holds ${length} tokens`);
    }
  });
}

/** Two answers from one past: of a session, and of a copy of it or of what was saved. Each is that of a session of its own. */
async function askCopy(stage: Stage): Promise<void> {
  const { draw, known } = stage;
  const [past, next] = [draw.pick(known.answers), draw.pick(known.answers)];
  await withSession(stage, async (session) => {
    const { usage } = await session.complete(past.messages, { maxTokens: draw.between(1, 12) });
    const copy = draw.chance(0.3) ? await restored(stage, session) : await session.fork();
    if (!copy) return;
    try {
      if (draw.chance(0.5)) await session.rewind(draw.below(usage.completionTokens + 1));
      const answers = await Promise.all(
        [session, copy].map((each) => readAll(each.generate(next.messages), paceOf(draw))),
      );
      for (const chunks of answers) compareAnswer(stage, next, chunks);
    } finally {
      await copy.dispose();
    }
  });
}

/** What comes back of a session that is saved; undefined if its model is being taken away, so that another may be there. */
async function restored({ engine, isDisturbed }: Stage, session: Session): Promise<Session | undefined> {
  const saved = await session.save();
  return isDisturbed() ? undefined : engine.restoreSession(saved);
}

async function compareLogits({ engine, known, figures }: Stage): Promise<void> {
  const { tokenIds, values } = known.logits;
  const logits = await engine.nextLogits(tokenIds);
  const wrong = logits.findIndex((value, i) => value !== values[i]);
  if (wrong >= 0) throw new Error(`Logit ${wrong} is ${logits[wrong]}; undisturbed: ${values[wrong]}`);
  figures.compared++;
}

async function compareTexts({ engine, draw, figures }: Stage): Promise<void> {
  for (const text of sampleTexts(5, draw.below(1e9))) {
    const back = await engine.detokenize(await engine.tokenize(text));
    if (back !== toWellFormed(text))
      throw new Error(`${JSON.stringify(text)} came back as ${JSON.stringify(back)}`);
    figures.compared++;
  }
}

async function misuse(stage: Stage): Promise<void> {
  const { engine, draw, figures } = stage;
  await withSession(stage, async (session) => {
    const ask = (prompt: Parameters<Session['generate']>[0], options?: GenerateOptions) => () =>
      readAll(session.generate(prompt, options), async () => {});
    const tooLong = Array.from({ length: engine.info.contextLength }, () => 1);
    const [codes, call] = draw.pick<[TernionErrorCode[], () => Promise<unknown>]>([
      [['invalid-argument'], ask('Hello', { temperature: -1 })],
      [['invalid-argument'], ask('Hello', { stop: '' })],
      [['invalid-argument'], ask('')],
      [['invalid-argument'], ask({ tokenIds: [engine.info.vocabularySize] })],
      [['context-overflow'], ask({ tokenIds: tooLong })],
      [['template-failed'], ask([{ role: 'user', content: 'a' }], { chatTemplate: '{% if %}' })],
      [['invalid-argument'], () => engine.nextLogits([])],
      [['unsupported-feature'], () => engine.embed('Hello')],
    ]);
    await expectCode(stage, codes, call);
    figures.refused++;
  });
}

/** Options of every kind; greedy ones too. */
function randomOptions(draw: Draw): GenerateOptions {
  const some = <Value>(value: Value): Value | undefined => (draw.chance(0.4) ? value : undefined);
  const options: { [Key in keyof GenerateOptions]: GenerateOptions[Key] | undefined } = {
    temperature: some(draw.fraction() * 1.5),
    topK: some(draw.between(1, 100)),
    topP: some(0.5 + draw.fraction() / 2),
    minP: some(draw.fraction() / 4),
    repetitionPenalty: some(0.9 + draw.fraction() / 2),
    frequencyPenalty: some(draw.fraction() - 0.3),
    presencePenalty: some(draw.fraction() - 0.3),
    logitBias: some({ [draw.below(1000)]: draw.between(-5, 5) }),
    stop: some(draw.pick(['a', ['\n', 'the'], 'never in an answer'])),
    templateOptions: some({ enable_thinking: draw.chance(0.5) }),
  };
  const given = Object.entries(options).filter(([, value]) => value !== undefined);
  return { ...Object.fromEntries(given), seed: draw.below(2 ** 32) };
}

/** Opens a session for `use`, and disposes of it. */
async function withSession<Result>(
  { engine }: Stage,
  use: (session: Session) => Promise<Result>,
): Promise<Result> {
  const session = engine.createSession();
  try {
    return await use(session);
  } finally {
    await session.dispose();
  }
}

/** Expects a rejection with one of these codes, or that what is going on has taken the model away. */
async function expectCode(
  { isDisturbed }: Stage,
  codes: readonly TernionErrorCode[],
  call: () => Promise<unknown>,
): Promise<void> {
  const error: unknown = await call().then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (error instanceof TernionError && (codes.includes(error.code) || isDisturbed())) return;
  throw new Error(`${codes.join(' or ')} was expected, and not ${String(error)}`, { cause: error });
}

type Reader = ReadableStreamDefaultReader<GenerateChunk>;

async function readAll(stream: ReadableStream<GenerateChunk>, pace: Pace): Promise<GenerateChunk[]> {
  return readRest(stream.getReader(), pace);
}

async function readRest(reader: Reader, pace: Pace = async () => {}): Promise<GenerateChunk[]> {
  const chunks: GenerateChunk[] = [];
  for (;;) {
    const { value, done } = await reader.read();
    if (done) return chunks;
    chunks.push(value);
    await pace();
  }
}

/** Reads up to `count` chunks. */
async function readSome(reader: Reader, count: number): Promise<void> {
  for (let left = count; left > 0; left--) if ((await reader.read()).done) return;
}

function idsOf(chunks: readonly GenerateChunk[]): number[] {
  return chunks.flatMap(({ tokenIds }) => tokenIds);
}

function textOf(chunks: readonly GenerateChunk[]): string {
  return chunks.map(({ text }) => text).join('');
}
