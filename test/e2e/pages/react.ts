// A page in React, in StrictMode: a model that it loads, and a chat with it. Tests call what the components show.
import { createElement, StrictMode, type ReactElement } from 'react';
import { createRoot, type Root } from 'react-dom/client';
import type { Engine, Session } from '../../../src/index';
import { useChat, useModel, type UsedChat, type UsedModel } from '../../../src/surfaces/react';
import { createQuick } from './quick';

let model: UsedModel | undefined;
let chat: UsedChat | undefined;
const fractions: number[] = [];
/** Sessions that were made of the engine. */
let sessions = 0;
let workers = 0;

const OPTIONS = {
  createWorker: (): Worker => {
    workers++;
    return createQuick();
  },
};

/** The engine, with its sessions counted. */
const counted = new WeakMap<Engine, Pick<Engine, 'createSession'>>();
function counting(engine: Engine): Pick<Engine, 'createSession'> {
  const known = counted.get(engine) ?? {
    createSession: (): Session => {
      sessions++;
      return engine.createSession();
    },
  };
  counted.set(engine, known);
  return known;
}

function Talk({ engine }: { engine: Engine }): ReactElement {
  chat = useChat({ engine: counting(engine), system: undefined, options: { maxTokens: 60 } });
  return createElement('pre', {}, chat.messages.map(({ role, content }) => `${role}: ${content}\n`).join(''));
}

function App({ url, talks }: { url: string; talks: boolean }): ReactElement {
  model = useModel(url, OPTIONS);
  const { engine, progress } = model;
  if (progress && progress.fraction !== fractions.at(-1)) fractions.push(progress.fraction);
  if (!engine) return createElement('p', {}, progress?.text ?? 'Loading');
  return talks ? createElement(Talk, { engine }) : createElement('p', {}, 'Nobody talks');
}

/** Whether the next worker of `Alone` cannot be had. */
let isBroken = true;
const BROKEN_AT_FIRST = {
  createWorker: (): Worker => {
    if (isBroken) throw new Error('no worker today');
    return createQuick();
  },
};

/** A chat that loads its model by itself. */
function Alone({ url }: { url: string }): ReactElement {
  chat = useChat({ source: url, load: BROKEN_AT_FIRST });
  return createElement('pre', {}, chat.messages.map(({ role, content }) => `${role}: ${content}\n`).join(''));
}

let root: Root | undefined;

async function until<T>(look: () => T | undefined | false): Promise<T> {
  for (;;) {
    const seen = look();
    if (seen) return seen;
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}

const shown = (): string => document.getElementById('root')!.textContent;

Object.assign(globalThis, {
  /** Mounts the page, or shows it again with or without the chat. */
  async show(url: string, talks: boolean) {
    root ??= createRoot(document.getElementById('root')!);
    root.render(createElement(StrictMode, {}, createElement(App, { url, talks })));
    await until(() => (talks ? chat?.status === 'ready' : shown() === 'Nobody talks'));
    return { fractions, workers, sessions };
  },
  async send(text: string) {
    await chat!.send(text);
    await until(() => chat!.status === 'ready');
    return { shown: shown(), sessions, locked: await chat!.regenerate().then(() => shown()) };
  },
  /** Sends, and stops once something has come. */
  async stopped(text: string) {
    const answered = chat!.send(text);
    await until(() => chat!.status === 'streaming');
    chat!.stop();
    await answered;
    await until(() => chat!.status === 'ready');
    return chat!.messages.at(-1);
  },
  /** Takes the chat away amid an answer; what the engine answers to somebody else then. */
  async leave(url: string, text: string) {
    void chat!.send(text);
    await until(() => chat!.status === 'streaming');
    const { engine } = model!;
    root!.render(createElement(StrictMode, {}, createElement(App, { url, talks: false })));
    await until(() => shown() === 'Nobody talks');
    const answer = await engine!.createSession().send('What is 3 + 4?').text();
    return answer;
  },
  /** A chat whose first load fails: what it fails with, and what is shown behind a second try and a question. */
  async retry(url: string, text: string) {
    const alone = createRoot(document.getElementById('root')!);
    alone.render(createElement(StrictMode, {}, createElement(Alone, { url })));
    const failed = await until(() => chat?.status === 'error' && chat);
    const { code } = failed.error as Error & { code: string };
    isBroken = false;
    failed.retry();
    await until(() => chat!.status === 'ready');
    await chat!.send(text);
    await until(() => chat!.status === 'ready');
    const seen = shown();
    alone.unmount();
    return { code, seen };
  },
  /** Unmounts all; what the engine says then. */
  async unmount() {
    const { engine } = model!;
    root!.unmount();
    root = undefined;
    return engine!.tokenize('x').then(
      () => undefined,
      ({ code }: { code: string }) => code,
    );
  },
});
