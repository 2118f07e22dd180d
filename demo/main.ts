// The demo page: loads the built-in model, chats with it, and opens models that the reader brings. Here its parts are put together.

import { listModels } from '../src/index';
import type { SourceInfo } from '../src/index';
import { Chat } from './chat';
import { wireComposer } from './composer';
import { button, byId, create } from './dom';
import { loadFailure, showUnsupported } from './failure-view';
import { explain } from './failures';
import { acceptFiles } from './file-drop';
import { GalleryView } from './gallery/gallery-view';
import { HistoryView } from './history/history-view';
import { firstModel, lastModel, rememberModel } from './history/last-model';
import { Loader } from './loader';
import { keepForOffline } from './offline';
import { focusMessage } from './reader';
import { SettingsView } from './settings-view';
import { BUILT_IN, type Source } from './source';
import { StructuredView } from './structured-view';
import { tabList } from './tabs';

const SUGGESTIONS = [
  'Count from 3 to 9.',
  'Say hello in Japanese.',
  'My name is Ravi.',
  'Tell me a story about a fox named Mia.',
  'Show me a fox emoji.',
  'What is a KV cache?',
];

const page = {
  modelName: byId('model-name', HTMLElement),
  unsupported: byId('unsupported', HTMLElement),
  hero: byId('hero', HTMLElement),
  chips: byId('chips', HTMLElement),
  chipsTitle: byId('chips-title', HTMLElement),
  hint: byId('hint', HTMLElement),
  alert: byId('alert', HTMLElement),
};

const structured = addStructuredTab();

const chat = new Chat(new SettingsView(), {
  asked: () => {
    page.hero.hidden = true;
    page.alert.replaceChildren();
  },
  answered: (conversation) => void history.keep(conversation),
  cleared: () => {
    page.hero.hidden = false;
    page.alert.replaceChildren();
  },
  lost: () => {
    if (loader.current) page.alert.append(retryButton('Load the model again', loader.current.source));
    page.alert.scrollIntoView({ block: 'nearest' });
  },
});

const history = new HistoryView((conversation) => chat.reopen(conversation));

const loader = new Loader({
  changed: updateControls,
  loaded: ({ source, engine }) => {
    chat.use(engine);
    gallery.use(source, engine.info);
    rememberModel(source, () => localStorage);
    showNotKept(source, engine.info.source);
  },
  failed: showFailure,
  cancelled: (source) => {
    focusMessage();
    void gallery.forget(source);
    // Without any model the page is of no use.
    if (!loader.current) void load(BUILT_IN);
  },
});

const gallery = new GalleryView((source) => {
  focusMessage();
  void load(source);
});

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
  tabs.id = 'tabs';
  byId('tools', HTMLElement).before(tabs);
  return view;
}

async function load(source: Source): Promise<void> {
  page.alert.replaceChildren();
  await loader.load(source);
  // What had the focus may be gone with the old conversation, or with the Cancel button.
  if (document.activeElement === document.body && page.unsupported.hidden) focusMessage();
}

/** Loads what a visit begins with, and offers the model of the last one if that is not all here any more. */
async function loadFirst(): Promise<void> {
  const last = lastModel(() => localStorage);
  const kept = last ? await listModels().catch(() => []) : [];
  const { load: first, offer } = firstModel(last, kept, BUILT_IN);
  await load(first);
  if (!offer) return;
  const text = `Last time you used ${offer.name}, which is not all on this device any more.`;
  page.alert.append(create('p', { class: 'notice', text }), retryButton(`Load ${offer.name}`, offer));
}

/** Says that the next visit will have to download a model again. The built-in one is small, and comes as the page itself does. */
function showNotKept({ name, model }: Source, { cached, reason = '' }: SourceInfo): void {
  if (cached || typeof model !== 'string' || model === BUILT_IN.model) return;
  const text = `${name} is not kept on this device: ${reason}. The next visit downloads it again.`;
  page.alert.append(create('p', { class: 'notice', text }));
}

function showFailure(error: unknown, source: Source): void {
  const { code, message } = explain(error);
  if (code === 'webgpu-unavailable') return showUnsupported(message);
  const goOn = loader.current?.engine.info.name;
  page.alert.replaceChildren(loadFailure(error, retryButton('Try again', source), goOn));
  page.alert.scrollIntoView({ block: 'nearest' });
}

function retryButton(label: string, source: Source): HTMLButtonElement {
  return button(label, () => {
    focusMessage();
    void load(source);
  });
}

/** Brings what the page says of the model in line with the one that is there. */
function updateControls(): void {
  const { current } = loader;
  structured.use(current?.engine);
  if (current) page.modelName.textContent = current.engine.info.name;
  const builtIn = !current || current.source.model === BUILT_IN.model;
  page.hint.hidden = !builtIn;
  page.chipsTitle.textContent = builtIn ? 'Things it can do' : 'Things to ask';
  for (const chip of page.chips.querySelectorAll('button')) chip.disabled = !current;
}

wireComposer((text) => chat.ask(text));

document.addEventListener('keydown', (event) => {
  if (event.key !== 'Escape' || event.isComposing) return;
  if (document.querySelector(':popover-open, dialog[open]')) return;
  chat.stop();
});
byId('new-chat', HTMLButtonElement).addEventListener('click', () => chat.begin());

for (const suggestion of SUGGESTIONS) {
  const chip = button(suggestion, () => {
    focusMessage();
    chat.ask(suggestion);
  });
  page.chips.append(create('li', {}, chip));
}

byId('cancel', HTMLButtonElement).addEventListener('click', () => loader.cancel());
byId('pause', HTMLButtonElement).addEventListener('click', () => loader.pauseOrResume());
acceptFiles(
  byId('drop', HTMLElement),
  () => page.unsupported.hidden === true,
  (source) => {
    gallery.close();
    void load(source);
  },
);
updateControls();
focusMessage();
keepForOffline();
if ('gpu' in navigator) void loadFirst();
else showUnsupported('');
