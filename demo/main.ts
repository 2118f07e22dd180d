// The demo page: loads the built-in model, chats with it, and opens models that the reader brings.

import { loadModel } from '../src/index';
import type { Engine, GenerateChunk, ModelInfo, SampledLogprob } from '../src/index';
import { ChatView } from './chat-view';
import { ContextView } from './context-view';
import { Conversation } from './conversation';
import { byId, create, formatBytes, formatCount, formatNumber, setFacts } from './dom';
import { explain, LOAD_FAILURES } from './failures';
import { acceptFiles } from './file-drop';
import { LoadView } from './load-view';
import { SettingsView } from './settings-view';
import { StructuredView } from './structured-view';
import { tabList } from './tabs';
import { weave } from './weave';

const BUILT_IN = new URL('models/ternion-tiny-i2_s.gguf', document.baseURI).href;

const SUGGESTIONS = [
  'Count from 3 to 9.',
  'Say hello in Japanese.',
  'My name is Ravi.',
  'Tell me a story about a fox named Mia.',
  'Show me a fox emoji.',
  'What is a KV cache?',
];

const page = {
  skip: byId('skip', HTMLElement),
  tools: byId('tools', HTMLElement),
  modelButton: byId('model-button', HTMLButtonElement),
  modelName: byId('model-name', HTMLElement),
  modelPanel: byId('model-panel', HTMLElement),
  modelFacts: byId('model-facts', HTMLDListElement),
  useBuiltIn: byId('embedded', HTMLButtonElement),
  open: byId('open', HTMLButtonElement),
  file: byId('file', HTMLInputElement),
  newChat: byId('new-chat', HTMLButtonElement),
  unsupported: byId('unsupported', HTMLElement),
  hero: byId('hero', HTMLElement),
  chips: byId('chips', HTMLElement),
  chipsTitle: byId('chips-title', HTMLElement),
  hint: byId('hint', HTMLElement),
  alert: byId('alert', HTMLElement),
  composer: byId('composer', HTMLFormElement),
  message: byId('message', HTMLTextAreaElement),
  settingsPanel: byId('settings-panel', HTMLElement),
  exportChat: byId('export', HTMLButtonElement),
  send: byId('send', HTMLButtonElement),
  stop: byId('stop', HTMLButtonElement),
  cancel: byId('cancel', HTMLButtonElement),
  announcer: byId('announcer', HTMLElement),
};
const chat = new ChatView(byId('log', HTMLElement), {
  resend: (index, text) => void resend(index, text),
  goOn: (index, beginning) => void goOn(index, beginning),
  show: showBranch,
});
const contextView = new ContextView();
const settings = new SettingsView();
const loadView = new LoadView();
const structured = addStructuredTab();

type Source = string | File;

/** The loaded model and the conversation with it. */
let current: { source: Source; engine: Engine; conversation: Conversation } | undefined;
/** Ends the answer that is being written. */
let answering: AbortController | undefined;
/** Ends the load that is under way. */
let loading: AbortController | undefined;

/** All that the page has of the chat becomes one tab; the other one is of answers of a given shape. */
function addStructuredTab(): StructuredView {
  const main = byId('main', HTMLElement);
  const view = new StructuredView();
  const parts = [...main.children].filter((part) => part.id !== 'unsupported' && part.tagName !== 'NOSCRIPT');
  const panel = create('div', { class: 'chat-panel' }, ...parts);
  main.append(panel, view.element);
  const tabs = tabList('What to do with the model', [
    { label: 'Chat', panel },
    { label: 'Structured', panel: view.element },
  ]);
  page.tools.before(tabs);
  return view;
}

/** Says something to screen readers, once, without moving the focus. */
function announce(text: string): void {
  page.announcer.textContent = text;
}

// ---- Loading -------------------------------------------------------------------------------------------------------

async function load(source: Source): Promise<void> {
  loading?.abort();
  const control = new AbortController();
  loading = control;
  const name = typeof source === 'string' ? 'the built-in model' : source.name;
  page.alert.replaceChildren();
  loadView.start(name, current !== undefined);
  announce(`Loading ${name}.`);
  updateControls();
  try {
    const engine = await loadModel(source, {
      signal: control.signal,
      onProgress: (progress) => {
        if (loading === control) loadView.update(progress);
      },
    });
    if (loading !== control) {
      await engine.dispose();
      return;
    }
    const previous = current?.engine;
    answering?.abort();
    current = { source, engine, conversation: new Conversation(engine, settings.value.system) };
    clearConversation();
    announce(`${engine.info.name} is ready.`);
    // It may be gone already: a lost GPU is one reason to load again.
    await previous?.dispose().catch(() => undefined);
  } catch (error) {
    if (loading === control) showLoadFailure(error, source);
  } finally {
    if (loading === control) {
      loading = undefined;
      loadView.end(current !== undefined);
      updateControls();
      // What had the focus may be gone with the old conversation, or with the Cancel button.
      if (document.activeElement === document.body && page.unsupported.hidden) focusMessage();
    }
  }
}

function showLoadFailure(error: unknown, source: Source): void {
  const { code, message } = explain(error);
  if (code === 'aborted') return announce('Loading was cancelled.');
  if (code === 'webgpu-unavailable') return showUnsupported(message);
  const text = create('p', { text: message });
  if (code) text.append(' ', create('code', { text: code }));
  const title = (code && LOAD_FAILURES[code]) ?? 'The model could not be loaded';
  const failure = create('div', { class: 'notice' }, create('h2', { text: title }), text);
  if (current) failure.append(create('p', { text: `You can go on with ${current.engine.info.name}.` }));
  failure.append(retryButton('Try again', source));
  page.alert.replaceChildren(failure);
  page.alert.scrollIntoView({ block: 'nearest' });
}

function retryButton(label: string, source: Source): HTMLButtonElement {
  const button = create('button', { text: label });
  button.type = 'button';
  button.addEventListener('click', () => {
    focusMessage();
    void load(source);
  });
  return button;
}

/** Shows where WebGPU is to be had, in place of the chat. */
function showUnsupported(message: string): void {
  const reason =
    'gpu' in navigator
      ? `This browser knows WebGPU, but it could not be used on this device. ${message}`
      : 'It lets a page compute on your graphics card. This browser does not offer it here, so the model cannot run.';
  byId('unsupported-reason', HTMLElement).textContent = reason;
  byId('insecure', HTMLElement).hidden = window.isSecureContext;
  for (const svg of page.unsupported.querySelectorAll('svg')) weave(svg)(1);
  page.unsupported.hidden = false;
  for (const part of [page.skip, page.tools, page.hero, page.composer]) part.hidden = true;
  page.unsupported.focus({ preventScroll: true });
}

function showInfo(info: ModelInfo): void {
  const { vendor, architecture, device, description } = info.adapter;
  const adapter = [vendor, architecture, device, description].filter(Boolean).join(' · ');
  setFacts(page.modelFacts, [
    ['Name', info.name],
    ['Architecture', info.architecture],
    ['Parameters', formatCount(info.parameterCount)],
    ['Weights', info.encodings.layers],
    ['Vocabulary', `${formatNumber(info.vocabularySize)} tokens`],
    ['Context', `${formatNumber(info.contextLength)} tokens`],
    ['GPU memory', formatBytes(info.gpuBytes)],
    ['Adapter', adapter || 'not disclosed'],
    ['Partial sums', info.codePaths.reduction],
    ['Half precision', info.codePaths.f16],
    ['Int8 products', info.codePaths.int8Dot],
  ]);
}

// ---- The conversation ----------------------------------------------------------------------------------------------

async function send(text: string): Promise<void> {
  if (!current) return announce('The model is not loaded yet.');
  if (answering) return announce('Wait for the answer, or stop it first.');
  // A system prompt that was written before anything was said counts at once.
  if (current.conversation.length === 0 && current.conversation.system !== settings.value.system) restart();
  const { conversation } = current;
  await follow(text, (signal) => conversation.ask(text, settings.value, signal));
}

/** Shows an answer as it comes; one that goes on from an older one begins with tokens of that. */
async function follow(
  question: string,
  ask: (signal: AbortSignal) => AsyncIterable<GenerateChunk>,
  beginning: readonly SampledLogprob[] = [],
): Promise<void> {
  if (!current) return;
  const { source } = current;
  const control = new AbortController();
  answering = control;
  page.hero.hidden = true;
  page.alert.replaceChildren();
  updateControls();
  const answer = chat.addTurn(question);
  answer.begin(beginning);
  try {
    for await (const chunk of ask(control.signal)) answer.add(chunk);
    if (answering === control) announce(control.signal.aborted ? `Stopped. ${answer.text}` : answer.text);
  } catch (error) {
    const { code, message } = explain(error);
    answer.fail(message);
    if (answering === control) announce(`The answer failed. ${message}`);
    if (answering === control && (code === 'device-lost' || code === 'worker-lost')) {
      page.alert.append(retryButton('Load the model again', source));
      page.alert.scrollIntoView({ block: 'nearest' });
    }
  } finally {
    if (answering === control) {
      answering = undefined;
      updateControls();
    }
  }
}

/** Takes back turn `index` with all behind it, and asks `text` in its place. */
async function resend(index: number, text: string): Promise<void> {
  await change(
    (conversation) => conversation.takeBack(index),
    () => chat.removeFrom(index),
    () => send(text),
  );
}

/** Goes on from a beginning of the answer to turn `index`. The branch that is left can be shown again. */
async function goOn(index: number, beginning: readonly SampledLogprob[]): Promise<void> {
  if (answering) return announce('Wait for the answer, or stop it first.');
  const tokenIds = beginning.map(({ tokenId }) => tokenId);
  const question = chat.questionOf(index);
  await change(
    (conversation) => conversation.branch(index),
    () => chat.branch(index),
    (conversation) => {
      const how = { ...settings.value, tokens: true };
      return follow(question, (signal) => conversation.goOn(question, tokenIds, how, signal), beginning);
    },
  );
}

/** Changes the conversation, during which nobody can ask or take back anything else, and the page with it; then answers. */
async function change(
  prepare: (conversation: Conversation) => Promise<unknown>,
  show: () => void,
  give: (conversation: Conversation) => Promise<void>,
): Promise<void> {
  if (!current || answering) return;
  const { conversation } = current;
  const control = new AbortController();
  answering = control;
  updateControls();
  try {
    await prepare(conversation);
  } catch (error) {
    announce(`The conversation could not be changed. ${explain(error).message}`);
    return;
  } finally {
    if (answering === control) answering = undefined;
    updateControls();
  }
  if (current.conversation !== conversation) return;
  show();
  focusMessage();
  // It may have been stopped before it began.
  if (!control.signal.aborted) await give(conversation);
}

function showBranch(branch: number): void {
  if (!current || answering) return;
  current.conversation.show(branch);
  chat.show(branch);
  updateControls();
}

/** Begins a conversation in place of the one that is there. */
function restart(): void {
  if (!current) return;
  current.conversation.dispose().catch(() => undefined);
  current.conversation = new Conversation(current.engine, settings.value.system);
}

function newChat(): void {
  if (!current) return focusMessage();
  answering?.abort();
  restart();
  clearConversation();
  focusMessage();
  announce('New chat.');
}

/** Saves the conversation as a Markdown file. */
function exportChat(): void {
  if (!current) return;
  const text = current.conversation.export(current.engine.info.name);
  const link = create('a');
  link.href = URL.createObjectURL(new Blob([text], { type: 'text/markdown' }));
  link.download = 'conversation.md';
  link.click();
  URL.revokeObjectURL(link.href);
}

function clearConversation(): void {
  answering = undefined;
  chat.clear();
  page.alert.replaceChildren();
  page.hero.hidden = false;
  window.scrollTo({ top: 0, behavior: 'instant' });
  updateControls();
}

/** Brings buttons in line with the state; a button that goes hands its focus to the message box. */
function updateControls(): void {
  const focused = document.activeElement;
  page.send.hidden = answering !== undefined;
  page.stop.hidden = answering === undefined;
  page.send.disabled = !current;
  page.exportChat.disabled = !current || current.conversation.length === 0;
  chat.setBusy(answering !== undefined);
  chat.showMemory(current?.conversation.forgotten ?? 0);
  contextView.show(current?.conversation.context);
  structured.use(current?.engine);
  page.modelButton.hidden = !current;
  if (current) page.modelName.textContent = current.engine.info.name;
  const builtIn = !current || current.source === BUILT_IN;
  page.useBuiltIn.hidden = builtIn;
  page.hint.hidden = !builtIn;
  page.chipsTitle.textContent = builtIn ? 'Things it can do' : 'Things to ask';
  for (const chip of page.chips.querySelectorAll('button')) chip.disabled = !current;
  if (focused === page.send || focused === page.stop) focusMessage();
}

/** The message box is always in view or at the end of the page: focusing it must not move what the reader reads. */
function focusMessage(): void {
  page.message.focus({ preventScroll: true });
}

function fitMessage(): void {
  page.message.style.height = 'auto';
  page.message.style.height = `${page.message.scrollHeight}px`;
}

// ---- Wiring --------------------------------------------------------------------------------------------------------

page.composer.addEventListener('submit', (event) => {
  event.preventDefault();
  const text = page.message.value.trim();
  focusMessage();
  if (!text) return;
  if (current && !answering) {
    page.message.value = '';
    fitMessage();
  }
  void send(text);
});

page.message.addEventListener('input', fitMessage);
page.message.addEventListener('keydown', (event) => {
  if (event.key !== 'Enter' || event.shiftKey || event.isComposing) return;
  event.preventDefault();
  page.composer.requestSubmit();
});

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.isComposing || document.querySelector(':popover-open')) return;
  answering?.abort();
});
page.stop.addEventListener('click', () => answering?.abort());
page.newChat.addEventListener('click', newChat);
page.exportChat.addEventListener('click', exportChat);

for (const suggestion of SUGGESTIONS) {
  const chip = create('button', { text: suggestion });
  chip.type = 'button';
  chip.addEventListener('click', () => {
    focusMessage();
    void send(suggestion);
  });
  page.chips.append(create('li', {}, chip));
}

page.modelPanel.addEventListener('beforetoggle', () => {
  if (current) showInfo(current.engine.info);
});
page.useBuiltIn.addEventListener('click', () => {
  page.modelPanel.hidePopover();
  void load(BUILT_IN);
});
page.cancel.addEventListener('click', () => {
  loading?.abort();
  focusMessage();
});
page.open.addEventListener('click', () => page.file.click());
page.file.addEventListener('change', () => {
  const file = page.file.files?.[0];
  page.file.value = '';
  if (file) void load(file);
});

acceptFiles(
  byId('drop', HTMLElement),
  () => page.unsupported.hidden === true,
  (file) => void load(file),
);
updateControls();
focusMessage();
if ('gpu' in navigator) void load(BUILT_IN);
else showUnsupported('');
